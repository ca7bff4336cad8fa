"""Unified text diffs of two sources, with the location in the flow as the heading of a hunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from functools import cache
from typing import Any

from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source


class LineMark(str, Enum):
    """The kind of a line in a diff."""

    SAME = " "
    ADDED = "+"
    REMOVED = "-"
    NOTE = "\\"


@dataclass(frozen=True)
class Hunk:
    """A group of changed lines with context.

    :param heading: the location in the flow, such as ``tasks › send``; ``line 12`` if unknown.
    :param old_start: first line of the hunk in the old source, from 1; likewise ``new_start``.
    :param lines: the mark and the text of each line, without its line end.
    """

    heading: str
    old_start: int
    new_start: int
    lines: tuple[tuple[LineMark, str], ...]


#: Returns the location in a flow of a line (from 1) of its source; ``None`` if unknown.
Outline = Callable[[int], "str | None"]

_NO_END = "No newline at end of file"


def unified(
    before: bytes,
    after: bytes,
    *,
    context: int = 2,
    old_outline: Outline | None = None,
    new_outline: Outline | None = None,
) -> tuple[Hunk, ...]:
    """Return the hunks between ``before`` and ``after``; empty if they are equal.

    :param context: how many unchanged lines to show around each change.
    """
    old, new = _lines(before), _lines(after)
    hunks = []
    for group in _grouped(old, new, context):
        lines: list[tuple[LineMark, str]] = []
        heading: str | None = None
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                lines.extend(_show(LineMark.SAME, line) for line in old[old_from:old_to])
                continue
            if heading is None:
                heading = _heading(tag, old_from, new_from, old_outline, new_outline)
            lines.extend(_changed(LineMark.REMOVED, old[old_from:old_to]))
            lines.extend(_changed(LineMark.ADDED, new[new_from:new_to]))
        first = group[0]
        hunks.append(Hunk(heading or "", first[1] + 1, first[3] + 1, tuple(lines)))
    return tuple(hunks)


def _changed(mark: LineMark, lines: Iterable[str]) -> Iterator[tuple[LineMark, str]]:
    """Yield changed lines, and a note after one that has no newline."""
    for line in lines:
        yield _show(mark, line)
        if not line.endswith("\n"):
            yield LineMark.NOTE, _NO_END


def _grouped(
    old: list[str], new: list[str], context: int
) -> Iterator[list[tuple[str, int, int, int, int]]]:
    """Yield the opcodes of each hunk: equal, replaced, added and removed lines.

    Most edits are small, and skipping equal lines at both ends is much faster than matching them.
    """
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    left = shorter - start
    end = next((at for at in range(left) if old[-1 - at] != new[-1 - at]), left)
    skip, behind = max(0, start - context), max(0, end - context)
    matcher = SequenceMatcher(
        None, old[skip : len(old) - behind], new[skip : len(new) - behind], autojunk=False
    )
    for group in matcher.get_grouped_opcodes(context):
        yield [
            (tag, old_from + skip, old_to + skip, new_from + skip, new_to + skip)
            for tag, old_from, old_to, new_from, new_to in group
        ]


def _lines(source: bytes) -> list[str]:
    # Only \n ends a line in a diff; str.splitlines would also split at form feeds and others.
    text = source.decode("utf-8", errors="backslashreplace")
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _show(mark: LineMark, line: str) -> tuple[LineMark, str]:
    bare = line.removesuffix("\n")
    if bare.endswith("\r"):
        # A carriage return may be the only difference: show it.
        bare = bare[:-1] + ("␍" if mark is not LineMark.SAME else "")
    return mark, bare


def _heading(
    tag: str,
    old_from: int,
    new_from: int,
    old_outline: Outline | None,
    new_outline: Outline | None,
) -> str:
    outline, line = (old_outline, old_from + 1) if tag == "delete" else (new_outline, new_from + 1)
    place = outline(line) if outline is not None else None
    return place or f"line {line}"


def diff_flows(before: bytes, after: bytes, *, context: int = 2) -> tuple[Hunk, ...]:
    """Return the hunks between two sources of a flow, with headings from its structure."""
    return unified(
        before,
        after,
        context=context,
        old_outline=_outline(before),
        new_outline=_outline(after),
    )


def _outline(source: bytes) -> Outline:
    """Return a function for the headings of a source, which is parsed on its first call.

    Most diffs only have headings from one side, so the other side is never parsed.
    """

    @cache
    def made() -> Outline | None:
        parsed = parse_source(source)
        return outline(parsed) if isinstance(parsed, ParsedDocument) else None

    def place(line: int) -> str | None:
        found = made()
        return None if found is None else found(line)

    return place


#: Maximum depth of a heading; deeper ones are too long to be helpful.
_DEPTH = 8


def outline(document: ParsedDocument) -> Callable[[int], str | None]:
    """Return a function that names the location of a line (from 1) of the document.

    The location is the innermost list item, by its ``id`` if it has one, or the top-level key;
    ``None`` for lines before the first key.
    """

    def place(line: int) -> str | None:
        labels: tuple[str, ...] = ()
        node: Any = document.value
        for _ in range(_DEPTH * 2 + 1):
            found = _innermost(document, node, line)
            if found is None:
                break
            key, node = found
            # Keys of an item are left out, unless they contain items themselves.
            if isinstance(key, str) and (not labels or _has_items(node)):
                labels = (*labels, key)
            elif isinstance(key, int):
                id_ = node.get("id") if isinstance(node, dict) else None
                labels = (*labels, id_ if isinstance(id_, str) else str(key))
        return " › ".join(labels) or None

    return place


def _innermost(document: ParsedDocument, node: Any, line: int) -> tuple[str | int, Any] | None:
    """Return the last key or item of ``node`` that begins at or before ``line``, and its value."""
    if isinstance(node, dict):
        lines, keys = document.key_lines(node), list(node)
    elif isinstance(node, list):
        lines, keys = document.item_lines(node), list(range(len(node)))
    else:
        return None
    begun = [(each, at) for at, each in enumerate(lines) if each <= line]
    if not begun:
        return None
    key = keys[max(begun)[1]]
    return key, node[key]


def _has_items(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
