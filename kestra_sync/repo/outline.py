"""Where in a flow a line of its source is, in words: ``tasks › send``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from kestra_sync.repo.document import ParsedDocument, Path

#: Deeper than this the words are longer than they are helpful.
_DEPTH = 8


def outline(document: ParsedDocument) -> Callable[[int], str | None]:
    """A function that names the place of a line (from 1) of the document.

    The place is the innermost item of a list, by its ``id`` where it has one, or else the
    innermost top-level key; ``None`` for lines before the first key.
    """
    entries: list[tuple[int, str]] = []
    _collect(document, document.value, (), (), entries)
    entries.sort(key=lambda entry: entry[0])
    starts = [start for start, _ in entries]

    def place(line: int) -> str | None:
        found = bisect_right(starts, line) - 1
        return entries[found][1] if found >= 0 else None

    return place


def _collect(
    document: ParsedDocument,
    node: Any,
    path: Path,
    labels: tuple[str, ...],
    entries: list[tuple[int, str]],
) -> None:
    if len(path) > _DEPTH * 2:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            below = (*path, key)
            # Inside an item its keys add nothing, unless they hold items of their own.
            name = labels if labels and not _has_items(value) else (*labels, str(key))
            entries.append((document.position_of(below, key=True).line, " › ".join(name)))
            if isinstance(value, (dict, list)):
                _collect(document, value, below, name, entries)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            below = (*path, index)
            id_ = item.get("id") if isinstance(item, dict) else None
            name = (*labels, id_ if isinstance(id_, str) else str(index))
            entries.append((document.position_of(below).line, " › ".join(name)))
            _collect(document, item, below, name, entries)


def _has_items(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
