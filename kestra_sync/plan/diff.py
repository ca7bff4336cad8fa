"""Unified text diffs of two sources, each hunk headed by its place inside the flow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from functools import cache
from operator import itemgetter
from typing import Any

from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source


class LineMark(str, Enum):
    """What a line of a diff is."""

    SAME = " "
    ADDED = "+"
    REMOVED = "-"
    NOTE = "\\"


@dataclass(frozen=True)
class Hunk:
    """A run of changed lines with some lines around it.

    :param heading: where in the flow, such as ``tasks › send``; ``line 12`` if that is unknown.
    :param old_start: first line of the hunk in the old source, from 1; likewise ``new_start``.
    :param lines: the mark and the text of each line, without its line end.
    """

    heading: str
    old_start: int
    new_start: int
    lines: tuple[tuple[LineMark, str], ...]


#: Tells the place inside a flow of a line (from 1) of its source; ``None`` if it cannot.
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
    """The hunks that lead from ``before`` to ``after``; empty if they are equal.

    :param context: how many unchanged lines to show around each change.
    """
    old, new = _lines(before), _lines(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    hunks = []
    for group in matcher.get_grouped_opcodes(context):
        lines: list[tuple[LineMark, str]] = []
        heading: str | None = None
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                lines.extend(_show(LineMark.SAME, line) for line in old[old_from:old_to])
                continue
            if heading is None:
                heading = _heading(tag, old_from, new_from, old_outline, new_outline)
            for mark, changed in (
                (LineMark.REMOVED, old[old_from:old_to]),
                (LineMark.ADDED, new[new_from:new_to]),
            ):
                for line in changed:
                    lines.append(_show(mark, line))
                    if not line.endswith("\n"):
                        lines.append((LineMark.NOTE, _NO_END))
        first = group[0]
        hunks.append(Hunk(heading or "", first[1] + 1, first[3] + 1, tuple(lines)))
    return tuple(hunks)


def _lines(source: bytes) -> list[str]:
    # Only \n ends a line in a diff; str.splitlines would also cut at form feeds and the like.
    text = source.decode("utf-8", errors="backslashreplace")
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _show(mark: LineMark, line: str) -> tuple[LineMark, str]:
    bare = line.removesuffix("\n")
    if bare.endswith("\r"):
        # A carriage return is the whole difference sometimes; unseen it looks like a bug of ours.
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
    """The hunks between two sources of a flow, with headings from the flow's own structure."""
    return unified(
        before,
        after,
        context=context,
        old_outline=_outline(before),
        new_outline=_outline(after),
    )


def _outline(source: bytes) -> Outline:
    """The headings of a source, which is only parsed for the first of them.

    Most changes have headings from one side only: the other one is never parsed.
    """

    @cache
    def made() -> Outline | None:
        parsed = parse_source(source)
        return outline(parsed) if isinstance(parsed, ParsedDocument) else None

    def place(line: int) -> str | None:
        found = made()
        return None if found is None else found(line)

    return place


#: Deeper than this the words are longer than they are helpful.
_DEPTH = 8


def outline(document: ParsedDocument) -> Callable[[int], str | None]:
    """A function that names the place of a line (from 1) of the document.

    The place is the innermost item of a list, by its ``id`` where it has one, or else the
    innermost top-level key; ``None`` for lines before the first key.
    """
    entries: list[tuple[int, tuple[str, ...]]] = []
    _collect(document, document.value, 0, (), entries)
    entries.sort(key=itemgetter(0))

    def place(line: int) -> str | None:
        found = bisect_right(entries, line, key=itemgetter(0)) - 1
        return " › ".join(entries[found][1]) if found >= 0 else None

    return place


def _collect(
    document: ParsedDocument,
    node: Any,
    depth: int,
    labels: tuple[str, ...],
    entries: list[tuple[int, tuple[str, ...]]],
) -> None:
    if depth > _DEPTH * 2:
        return
    if isinstance(node, dict):
        for (key, value), line in zip(node.items(), document.key_lines(node), strict=True):
            # Inside an item its keys add nothing, unless they hold items of their own.
            name = labels if labels and not _has_items(value) else (*labels, str(key))
            entries.append((line, name))
            if isinstance(value, (dict, list)):
                _collect(document, value, depth + 1, name, entries)
    elif isinstance(node, list):
        for index, (item, line) in enumerate(zip(node, document.item_lines(node), strict=True)):
            id_ = item.get("id") if isinstance(item, dict) else None
            name = (*labels, id_ if isinstance(id_, str) else str(index))
            entries.append((line, name))
            if isinstance(item, (dict, list)):
                _collect(document, item, depth + 1, name, entries)


def _has_items(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
