"""Writes plain values as YAML that Kestra reads as exactly these values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from kestra_sync.repo.parse import is_unreadable, plain

# Plain scalars that are safe without checking them with a parser.
_PLAIN = re.compile(r"[A-Za-z0-9_/.+][^\n\r\t#:,\[\]{}&*!|>'\"%@`\\\x85\u2028\u2029\ufeff]*\Z")
_COLON_INSIDE = re.compile(r"(?<=[^\s:]):(?=[^\s:,\[\]{}])")
_LITERAL_LINE = re.compile(r"[^\r\t\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]*\Z")


@dataclass(frozen=True)
class Emitter:
    """Writes values in the style of a document.

    :param step: the columns of one level of indentation.
    :param newline: the line ending.
    :param quote: the quote to use where one is needed.
    :param literals: multi-line text may be written as block scalars.
    """

    step: int = 2
    newline: str = "\n"
    quote: str = '"'
    literals: bool = True

    def scalar(self, value: Any, style: str = "") -> str:
        """Write a text, number, boolean or ``None`` on one line.

        :param style: the quote to always use.
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
        """Write ``value`` on one line, with collections in braces and brackets."""
        if isinstance(value, dict):
            pairs = (f"{self.scalar(key)}: {self.flow(each)}" for key, each in value.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value, style)

    def block(self, value: Any, indent: int) -> str:
        """Write ``value`` in block style: without indentation of the first line and final newline.

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
        """Write what follows ``key:`` in column ``indent``: a space and the value, or lines."""
        inner = indent + self.step
        if isinstance(value, (dict, list, tuple)) and value:
            return self.newline + " " * inner + self.block(value, inner)
        return " " + (self._literal(value, inner) or self.flow(value))

    def _literal(self, text: Any, indent: int) -> str | None:
        """Write a block scalar; ``None`` if the value is not multi-line text, or would not be read
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
    # JSON escapes are valid in YAML, with surrogate pairs, which Kestra combines.
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=True).replace("\x7f", "\\x7f")
