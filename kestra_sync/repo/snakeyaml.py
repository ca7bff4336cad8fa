"""The Python parser of ruamel.yaml, adapted to accept exactly what Kestra's parser accepts.

Kestra reads YAML with SnakeYAML, which is derived from PyYAML, as is ruamel.yaml. Where they
differ, the methods below follow SnakeYAML 2.4; every difference was verified on a running Kestra,
and ``tests/cases/yaml`` has a file for each:

- a tab may be inside and after a plain scalar, but nowhere else between tokens;
- U+0085, U+2028 and U+2029 end a line;
- ``%YAML 1.x`` is accepted for every ``x``, and changes nothing;
- an anchor ends at punctuation that must not be part of it;
- ``\\/`` is not an escape, nor is a backslash before a tab.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tokens import ScalarToken, TagToken

_BREAK = "\r\n\x85\u2028\u2029"
_END = "\0" + _BREAK
_BLANK_OR_END = " \t" + _END
_FLOW = ",[]{}"
# Characters that end an anchor, and those that may follow it.
_NOT_IN_ANCHOR = _BLANK_OR_END + ":,[]{}/.*&"
_AFTER_ANCHOR = _BLANK_OR_END + "?:,]}%@`"
# Characters that do not start a plain scalar; `-`, and in block context `?` and `:`, start one if
# something follows.
_NOT_PLAIN = _BLANK_OR_END + "-?:,[]{}#&*!|>'\"%@`"


def next_event_of(text: str) -> Callable[[], Any]:
    """Return a function that returns the events of ``text`` one by one, then ``None``.

    :raises MarkedYAMLError: raised by the returned function if Kestra rejects ``text``.
    """
    parser = _Loader(text)._parser
    ended = False

    def next_event() -> Any:
        nonlocal ended
        if ended:
            return None
        event = parser.get_event()
        # Older versions fail if they are called again.
        ended = parser.state is None
        return event

    return next_event


class _Loader:
    """The object through which reader, scanner and parser are connected."""

    processing_version = (1, 1)
    comment_handling = None  # required attribute

    def __init__(self, text: str) -> None:
        self._resolver = self
        self._reader = _Reader(text, self)
        self._scanner = _Scanner(self)
        self._parser = Parser(self)


class _Reader(Reader):  # type: ignore[misc, unused-ignore]
    """Counts lines and columns as SnakeYAML does. The text is already validated."""

    def check_printable(self, _data: Any) -> None:
        """Do nothing: :func:`kestra_sync.repo.text.decode` has checked it."""

    def forward(self, length: int = 1) -> None:
        """Advance by ``length`` characters."""
        end = self.pointer + length
        buffer = self.buffer
        for at in range(self.pointer, end):
            character = buffer[at]
            if character in _BREAK and not (character == "\r" and buffer[at + 1] == "\n"):
                self.line += 1
                self.column = 0
            elif character != "\ufeff":
                self.column += 1
        self.pointer = end
        self.index += length


class _Scanner(Scanner):  # type: ignore[misc, unused-ignore]
    # As in PyYAML, except for two that SnakeYAML does not support.
    ESCAPE_REPLACEMENTS = {  # noqa: RUF012  not annotated in the base class
        name: text for name, text in Scanner.ESCAPE_REPLACEMENTS.items() if name not in "/\t"
    }

    def scan_to_next_token(self) -> Any:
        """Skip spaces, line breaks and comments, but not tabs."""
        reader = self.reader
        while True:
            while reader.peek() == " ":
                reader.forward()
            if reader.peek() == "#":
                while reader.peek() not in _END:
                    reader.forward()
            if not self.scan_line_break():
                return None
            if not self.flow_level:
                self.allow_simple_key = True

    def check_plain(self) -> Any:
        """Return whether a plain scalar begins here."""
        peek = self.reader.peek
        character = peek()
        return character not in _NOT_PLAIN or (
            peek(1) not in _BLANK_OR_END
            and (character == "-" or (not self.flow_level and character in "?:"))
        )

    def scan_yaml_directive_value(self, start_mark: Any) -> Any:
        """Scan the version, which SnakeYAML ignores if the major version is 1."""
        reader = self.reader
        while reader.peek() == " ":
            reader.forward()
        major = self._version_number(start_mark)
        if reader.peek() != ".":
            raise self._bad_directive(start_mark)
        reader.forward()
        minor = self._version_number(start_mark)
        if reader.peek() not in " " + _END:
            raise self._bad_directive(start_mark)
        return major, minor

    def _version_number(self, start_mark: Any) -> int:
        reader = self.reader
        length = 0
        while "0" <= reader.peek(length) <= "9":
            length += 1
        if not 0 < length < 11:  # SnakeYAML rejects longer ones, too
            raise self._bad_directive(start_mark)
        number = int(reader.prefix(length))
        reader.forward(length)
        return number

    def _bad_directive(self, start_mark: Any) -> ScannerError:
        return ScannerError(
            "while scanning a directive",
            start_mark,
            "expected a version such as 1.2",
            self.reader.get_mark(),
        )

    def scan_anchor(self, TokenClass: Any) -> Any:  # noqa: N803  the name of the base class
        """Scan an anchor or an alias."""
        reader = self.reader
        start_mark = reader.get_mark()
        reader.forward()
        length = 0
        while reader.peek(length) not in _NOT_IN_ANCHOR:
            length += 1
        name = reader.prefix(length)
        reader.forward(length)
        if not length or reader.peek() not in _AFTER_ANCHOR:
            raise ScannerError(
                "while scanning an anchor",
                start_mark,
                "expected alphabetic or numeric character",
                reader.get_mark(),
            )
        return TokenClass(name, start_mark, reader.get_mark())

    def scan_tag(self) -> Any:
        """Scan a tag: ``!<uri>``, ``!handle!suffix``, ``!suffix`` or ``!``."""
        reader = self.reader
        start_mark = reader.get_mark()
        handle: str | None = None
        following = reader.peek(1)
        if following == "<":
            reader.forward(2)
            suffix = self.scan_tag_uri("tag", start_mark)
            if reader.peek() != ">":
                raise self._bad_tag(start_mark, "expected '>'")
            reader.forward()
        elif following in _BLANK_OR_END:
            suffix = "!"
            reader.forward()
        else:
            length = 1
            while reader.peek(length) not in "! " + _END:
                length += 1
            if reader.peek(length) == "!":
                handle = self.scan_tag_handle("tag", start_mark)
            else:
                handle = "!"
                reader.forward()
            suffix = self.scan_tag_uri("tag", start_mark)
        if reader.peek() not in " " + _END:
            raise self._bad_tag(start_mark, "expected ' '")
        return TagToken((handle, suffix), start_mark, reader.get_mark())

    def _bad_tag(self, start_mark: Any, problem: str) -> ScannerError:
        return ScannerError("while scanning a tag", start_mark, problem, self.reader.get_mark())

    def scan_flow_scalar_non_spaces(self, double: Any, start_mark: Any) -> Any:
        """Scan the text between white space in a quoted scalar."""
        try:
            return super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError):  # \U with a number that is not a character
            raise ScannerError(
                "while scanning a double-quoted scalar",
                start_mark,
                "unknown escape",
                self.reader.get_mark(),
            ) from None

    def scan_block_scalar_indentation(self) -> Any:
        """Scan leading empty lines; return them, the indentation of the text, and their end."""
        reader = self.reader
        breaks: list[str] = []
        indent = 0
        end_mark = reader.get_mark()
        while reader.peek() in " " + _BREAK:
            if reader.peek() == " ":
                reader.forward()
                indent = max(indent, reader.column)
            else:
                breaks.append(self.scan_line_break())
                end_mark = reader.get_mark()
        return breaks, indent, end_mark

    def scan_plain(self) -> Any:
        """Scan a plain scalar."""
        reader = self.reader
        peek = reader.peek
        chunks: list[str] = []
        start_mark = end_mark = reader.get_mark()
        indent = self.indent + 1
        stops = _FLOW if self.flow_level else ""
        spaces = ""
        while peek() != "#":
            length = 0
            while True:
                character = peek(length)
                if (
                    character in _BLANK_OR_END
                    or (stops and (character == "?" or character in stops))
                    or (character == ":" and peek(length + 1) in _BLANK_OR_END + stops)
                ):
                    break
                length += 1
            if not length:
                break
            self.allow_simple_key = False
            chunks += (spaces, reader.prefix(length))
            reader.forward(length)
            end_mark = reader.get_mark()
            spaces = self.scan_plain_spaces(indent, start_mark)
            if not spaces or peek() == "#" or (not stops and reader.column < indent):
                break
        return ScalarToken("".join(chunks), True, start_mark, end_mark)

    def scan_plain_spaces(self, _indent: Any, _start_mark: Any) -> Any:
        """Scan white space inside a plain scalar; return it folded, or empty at the end."""
        reader = self.reader
        length = 0
        while reader.peek(length) in " \t":
            length += 1
        blanks: str = reader.prefix(length)
        reader.forward(length)
        first: str = self.scan_line_break()
        if not first:
            return blanks
        self.allow_simple_key = True
        if self._at_marker():
            return ""
        breaks: list[str] = []
        while True:
            if reader.peek() == " ":
                reader.forward()
            elif line_break := self.scan_line_break():
                breaks.append(line_break)
                if self._at_marker():
                    return ""
            else:
                break
        if first != "\n":
            return first + "".join(breaks)
        return "".join(breaks) or " "

    def _at_marker(self) -> bool:
        prefix = self.reader.prefix(3)
        # In SnakeYAML, three hyphens always end the scalar, and dots only if a space follows.
        return prefix == "---" or (prefix == "..." and self.reader.peek(3) in _BLANK_OR_END)
