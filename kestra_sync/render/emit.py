"""Write plain values as YAML that Kestra reads as exactly these values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from kestra_sync.repo.parse import is_unreadable, plain

# What a plain scalar may consist of without a parser being asked.
_PLAIN = re.compile(r"[A-Za-z0-9_/.+][^\n\r\t#:,\[\]{}&*!|>'\"%@`\\\x85\u2028\u2029\ufeff]*\Z")
_COLON_INSIDE = re.compile(r"(?<=[^\s:]):(?=[^\s:,\[\]{}])")
_LITERAL_LINE = re.compile(r"[^\r\t\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]*\Z")


@dataclass(frozen=True)
class Emitter:
    """Writes values in the manner of a document.

    :param step: by how many columns a level is indented.
    :param newline: what ends a line.
    :param quote: the quote to use where one is needed.
    :param literals: texts of several lines may be written as block scalars.
    """

    step: int = 2
    newline: str = "\n"
    quote: str = '"'
    literals: bool = True

    def scalar(self, value: Any, style: str = "") -> str:
        """One line of YAML for a text, number, boolean or ``None``.

        :param style: the quote to use in any case.
        """
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return _float(value)
        text = str(value)
        if not style and _is_plain(text):
            return text
        if (style or self.quote) == "'" and text.isprintable():
            return "'" + text.replace("'", "''") + "'"
        return _double_quoted(text)

    def flow(self, value: Any, style: str = "") -> str:
        """``value`` on one line: collections in braces and brackets."""
        if isinstance(value, dict):
            pairs = (f"{self.scalar(key)}: {self.flow(each)}" for key, each in value.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value, style)

    def block(self, value: Any, indent: int) -> str:
        """``value`` in block style: the first line without its indentation, no break at the end.

        :param indent: the column that the value begins in.
        """
        pad = self.newline + " " * indent
        if isinstance(value, dict) and value:
            return pad.join(
                f"{self.scalar(key)}:{self.after_colon(each, indent)}"
                for key, each in value.items()
            )
        if isinstance(value, (list, tuple)) and value:
            return pad.join("- " + self.block(each, indent + 2) for each in value)
        return self._literal(value, max(indent, 1)) or self.flow(value)

    def after_colon(self, value: Any, indent: int) -> str:
        """What follows ``key:`` for a key in column ``indent``: a blank and the value, or lines."""
        inner = indent + self.step
        if isinstance(value, (dict, list, tuple)) and value:
            return self.newline + " " * inner + self.block(value, inner)
        return " " + (self._literal(value, inner) or self.flow(value))

    def _literal(self, text: Any, indent: int) -> str | None:
        """``|`` and lines; ``None`` for values that are not multi-line text, or would not be read
        back unchanged."""
        if not (self.literals and isinstance(text, str) and "\n" in text):
            return None
        lines = (text.removesuffix("\n")).split("\n")
        if not all(_LITERAL_LINE.match(line) and line.rstrip() == line for line in lines):
            return None
        if not lines[0] or lines[0].startswith(" ") or not lines[-1]:
            return None
        head = "|" if text.endswith("\n") else "|-"
        pad = self.newline + " " * indent
        return head + "".join(pad + line if line else self.newline for line in lines)


def _is_plain(text: str) -> bool:
    if plain(text) != text or is_unreadable(text) or text.endswith(" "):
        return False
    if not text.isprintable() or text.startswith(("---", "...")):
        return False
    return _PLAIN.match(_COLON_INSIDE.sub("", text)) is not None


def _float(value: float) -> str:
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    if exponent and "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{exponent}" if exponent else text


def _double_quoted(text: str) -> str:
    # JSON's escapes are YAML's, with pairs of surrogates, which Kestra puts together.
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=True).replace("\x7f", "\\x7f")
