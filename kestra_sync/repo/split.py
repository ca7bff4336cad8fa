"""Cut a file into its YAML documents, byte for byte.

A file with one document is sent whole; of several, each is the bytes after its ``---`` line up
to the next marker line. In YAML a ``---`` at column 0 followed by white space is a marker
wherever it stands, so no parser is needed to find it: in a block scalar it would be indented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kestra_sync.model import Document
from kestra_sync.repo.text import wide_encoding

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
