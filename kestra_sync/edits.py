"""Changes to a text that keep every other byte, and the way back from a place after to before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: What ends a line to YAML.
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(frozen=True, order=True)
class Edit:
    """``data[start:end]`` becomes ``text``. Offsets are bytes."""

    start: int
    end: int
    text: bytes


#: Edits of one source: in order, and none overlaps another.
Edits = tuple[Edit, ...]


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """``data`` with ``edits``, which are sorted and do not overlap."""
    parts: list[bytes] = []
    at = 0
    for edit in edits:
        parts += (data[at : edit.start], edit.text)
        at = edit.end
    return b"".join((*parts, data[at:])) if parts else data


def place_before(data: bytes, steps: Sequence[Edits], line: int, column: int) -> tuple[int, int]:
    """The line and column of ``data`` that a place in its edited form came from.

    :param steps: edits that were made one after the other. What an edit has written came from the
        place that it was written to.
    """
    versions = [data]
    for step in steps:
        versions.append(edited(versions[-1], step))
    offset = _offset_of(versions[-1], line, column)
    for step in reversed(steps):
        offset = _offset_before(step, offset)
    return place_of_byte(data, offset)


def _offset_before(edits: Edits, offset: int) -> int:
    shift = 0  # how much longer the text became by the edits in front
    for edit in edits:
        start = edit.start + shift
        if offset < start:
            break
        if offset < start + len(edit.text):
            return edit.start
        shift += len(edit.text) - (edit.end - edit.start)
    return offset - shift


def place_of(text: str, offset: int) -> tuple[int, int]:
    """The line and column, from 1, of the character at ``offset``."""
    line, start = 1, 0
    for found in LINE_BREAK.finditer(text, 0, offset):
        line, start = line + 1, found.end()
    return line, offset - start + 1


def place_of_byte(data: bytes, offset: int) -> tuple[int, int]:
    """The line and column, from 1, of the byte at ``offset``; a byte order mark does not count."""
    text = data[:offset].decode("utf-8", "replace").removeprefix("\ufeff")
    return place_of(text, len(text))


def _offset_of(data: bytes, line: int, column: int) -> int:
    text = data.decode("utf-8", "replace")
    start = 1 if text.startswith("\ufeff") else 0
    for _, found in zip(range(line - 1), LINE_BREAK.finditer(text), strict=False):
        start = found.end()
    return len(text[: start + column - 1].encode("utf-8"))
