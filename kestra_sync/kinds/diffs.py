"""The diffs that a person is shown, by the kind of what changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any

from kestra_sync.content import Content, in_memory
from kestra_sync.model import Action, Change, Kind
from kestra_sync.plan.diff import Hunk, Outline, unified
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source


def diff_of(change: Change, *, context: int = 2) -> tuple[Hunk, ...]:
    """What the change does to the source; nothing for creations, deletions and no change at all."""
    if change.before is None or change.after is None or change.action is Action.NONE:
        return ()
    return diff_sources(change.flow_id.kind, change.before, change.after, context=context)


def diff_sources(
    kind: Kind, before: Content | None, after: Content | None, *, context: int = 2
) -> tuple[Hunk, ...]:
    """The hunks between two sources of a resource; ``None`` for one that does not exist."""
    if kind is Kind.FLOW:
        return diff_flows(in_memory(before or b""), in_memory(after or b""), context=context)
    from kestra_sync.kinds.base import module_of

    return tuple(module_of(kind).diff(before or b"", after or b"", context=context))


def diff_whole(
    kind: Kind, before: Content | None, after: Content | None, *, context: int = 2
) -> tuple[Hunk, ...]:
    """The whole source of what comes or goes, a flow's without headings."""
    if kind is Kind.FLOW:
        return unified(in_memory(before or b""), in_memory(after or b""))
    return diff_sources(kind, before, after, context=context)


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
