"""From the bytes of a file to documents, cut byte for byte, and to text for the YAML parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from kestra_sync.edits import place_of
from kestra_sync.findings import Finding
from kestra_sync.model import Document, Position

BOM = b"\xef\xbb\xbf"

# A marker line: "---" or "..." at column 0 (or after the BOM), and what follows on the line.
_MARKER = re.compile(
    rb"(?:^|(?<=[\r\n])|(?<=\A\xef\xbb\xbf))(---|\.\.\.)(?=[ \t\r\n]|\Z)[^\r\n]*(?:\r\n|\r|\n|\Z)"
)
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
# There must be one way only to match a line: with two, thirty lines have a billion.
_BLANK = re.compile(rb"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r(?!\n)|\n|\Z))*\Z")
_PROLOGUE = re.compile(rb"(?:(?:[ \t]*(?:#[^\r\n]*)?|%[^\r\n]*)(?:\r\n|\r(?!\n)|\n|\Z))*\Z")
_ON_MARKER = re.compile(rb"---[ \t]+[^ \t#\r\n]")


@dataclass(frozen=True)
class _Segment:
    start: int
    data: bytes
    empty: bool


def split(path: str, data: bytes) -> tuple[Document, ...]:
    """The documents of a file; none if it holds only comments, blank lines and directives."""
    if wide_encoding(data) is not None:  # refused by the parser, as a whole
        return (Document(path, 0, 1, data),)
    if b"---" not in data and b"..." not in data:
        return () if _is_empty(_BLANK, data) else (Document(path, 0, 1, data),)
    segments = [segment for segment in _segments(data) if not segment.empty]
    if len(segments) == 1:
        return (Document(path, 0, 1, data),)
    documents = []
    line, counted = 1, 0
    for index, segment in enumerate(segments):
        line += sum(1 for _ in _LINE_BREAK.finditer(data, counted, segment.start))
        counted = segment.start
        documents.append(Document(path, index, line, segment.data))
    return tuple(documents)


def _segments(data: bytes) -> list[_Segment]:
    found = []
    start = 0
    prologue = True  # before a "---", directives are not content
    for marker in _MARKER.finditer(data):
        found.append(_segment(data, start, marker.start(), prologue))
        explicit = marker[1] == b"---"
        # Content on the marker's line belongs to the document; the marker then stays with it.
        start = marker.start() if explicit and _ON_MARKER.match(marker[0]) else marker.end()
        prologue = not explicit
    found.append(_segment(data, start, len(data), prologue))
    return found


def _segment(data: bytes, start: int, end: int, prologue: bool) -> _Segment:
    part = data[start:end]
    return _Segment(start, part, _is_empty(_PROLOGUE if prologue else _BLANK, part))


def _is_empty(pattern: re.Pattern[bytes], part: bytes) -> bool:
    return pattern.match(part.removeprefix(BOM)) is not None


MAX_BYTES = 10 * 1024 * 1024
"""Kestra answers 500 to a longer body."""
MAX_CHARACTERS = 3 * 1024 * 1024
"""The limit of Kestra's YAML parser, in code points."""

_UTF8_BOM = "\ufeff"


@cache
def _forbidden() -> re.Pattern[str]:
    """What SnakeYAML does not allow in a stream; a byte order mark inside of it, it does.

    Slow to compile, and of no use to a run that parses nothing.
    """
    return re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(data: bytes) -> str | Finding:
    """The text of a document, without its byte order mark, or what is wrong with the bytes."""
    if len(data) > MAX_BYTES:
        return too_large(len(data))
    wide = wide_encoding(data)
    if wide is not None:
        name = wide[:6].upper()
        return Finding("yaml-encoding", Position(1, 1), f"the file is {name}", "save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        return Finding(
            "yaml-encoding",
            _position(before, len(before)),
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        )
    if len(text) > MAX_CHARACTERS:
        return _too_long(len(text))
    text = text.removeprefix(_UTF8_BOM)
    if text.startswith(_UTF8_BOM):
        return Finding(
            "yaml-encoding", Position(1, 1), "two byte order marks", "remove one of them"
        )
    bad = None if text.isascii() and text.isprintable() else _forbidden().search(text)
    if bad is not None:
        return Finding(
            "yaml-encoding",
            _position(text, bad.start()),
            f"the character U+{ord(bad[0]):04X} is not allowed in YAML",
            'write it as an escape in double quotes, such as "\\x1b", or remove it',
        )
    return text


def wide_encoding(data: bytes) -> str | None:
    """The encoding of two or four bytes a character that ``data`` is in, as Python calls it.

    Told by the byte order mark or, as YAML does, by the zero bytes of its first characters.
    """
    for mark, name in _WIDE_MARKS:
        if data.startswith(mark):
            return name
    return _WIDE_ZEROS.get("".join("0" if byte == 0 else "x" for byte in data[:4]))


_WIDE_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE_ZEROS = {
    "x000": "utf-32-le",
    "000x": "utf-32-be",
    "x0x0": "utf-16-le",
    "0x0x": "utf-16-be",
}


def too_large(size: int) -> Finding:
    """Kestra answers 500 to a body over 10 MiB, so there is no use in reading more."""
    return Finding(
        "file-too-large",
        None,
        f"{size:,} bytes; Kestra accepts at most {MAX_BYTES:,}",
        "move scripts and data into namespace files",
    )


def _too_long(characters: int) -> Finding:
    return Finding(
        "file-too-large",
        None,
        f"{characters:,} characters; Kestra accepts at most {MAX_CHARACTERS:,}",
        "move scripts and data into namespace files",
    )


def _position(text: str, offset: int) -> Position:
    return Position(*place_of(text, offset))
