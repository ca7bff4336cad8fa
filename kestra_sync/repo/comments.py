"""Finds directives in the comments of a document: ``# kestra-sync: ignore[rule] why``.

A directive inside a string, such as a script in a task, is part of the string.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from kestra_sync.model import Position
from kestra_sync.repo.text import decode

#: The marker of every directive.
MARK = b"kestra-sync:"
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[ \t]*kestra-sync:[ \t]*(?P<text>.*)")


@dataclass(frozen=True)
class Comment:
    """A comment with a directive.

    :param position: the position of its ``#`` in the document.
    :param text: the text after the colon.
    :param line: the line that it applies to: its own, or, if that has nothing else, the next line
        with content; ``None`` for the whole document.
    """

    position: Position
    text: str
    line: int | None


def comments(data: bytes) -> tuple[Comment, ...]:
    """Return the directives in ``data``; none if it cannot be parsed."""
    if MARK not in data:
        return ()
    text = decode(data)
    if not isinstance(text, str):
        return ()
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    found = [(number, match) for number, line in enumerate(lines) if (match := _find(line))]
    texts = _scalars(text) if found else None
    if texts is None:
        return ()
    first = min((start[0] for start, _ in texts), default=len(lines))
    return tuple(
        Comment(
            Position(number + 1, match.start() + 1),
            match["text"].strip(),
            _target_line(number, match.start(), lines, first),
        )
        for number, match in found
        if not _inside((number, match.start()), texts)
    )


def _find(line: str) -> re.Match[str] | None:
    return _COMMENT.search(line)


def _target_line(number: int, column: int, lines: list[str], first: int) -> int | None:
    if lines[number][:column].strip():
        return number + 1
    if column == 0 or number < first:
        return None
    following = range(number + 1, len(lines))
    return next(
        (n + 1 for n in following if (line := lines[n].strip()) and not line.startswith("#")), None
    )


_Place = tuple[int, int]


def _scalars(text: str) -> list[tuple[_Place, _Place]] | None:
    """Return the spans of scalars, in order; lines and columns from 0. ``None`` if not YAML."""
    from ruamel.yaml.events import ScalarEvent

    from kestra_sync.repo.parse import event_source

    found: list[tuple[_Place, _Place]] = []
    try:
        next_event = event_source(text, pure=True)
        while (event := next_event()) is not None:
            if isinstance(event, ScalarEvent):
                start, end = event.start_mark, event.end_mark
                begin = (start.line, start.column)
                if event.style in ("|", ">"):
                    begin = (start.line + 1, 0)  # a comment may follow the `|`
                found.append((begin, (end.line, end.column)))
    except Exception:  # any exception of the parser means invalid YAML; the checks report why
        return None
    return found


def _inside(place: _Place, texts: list[tuple[_Place, _Place]]) -> bool:
    index = bisect_right(texts, (place, (1 << 60, 0))) - 1
    return index >= 0 and place < texts[index][1]
