"""The diffs that a person is shown, by the kind of what changes."""

from __future__ import annotations

from kestra_sync.model import Action, Change, Kind
from kestra_sync.plan.diff import Hunk, Outline, unified
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_source
from kestra_sync.repo.outline import outline


def diff_of(change: Change, *, context: int = 2) -> tuple[Hunk, ...]:
    """What the change does to the source; nothing for creations, deletions and no change at all."""
    if change.before is None or change.after is None or change.action is Action.NONE:
        return ()
    return diff_sources(change.flow_id.kind, change.before, change.after, context=context)


def diff_sources(
    kind: Kind, before: bytes | None, after: bytes | None, *, context: int = 2
) -> tuple[Hunk, ...]:
    """The hunks between two sources of a resource; ``None`` for one that does not exist."""
    if kind is Kind.FILE:
        from kestra_sync.kinds.files.kind import FilesKind

        return tuple(FilesKind().diff(before or b"", after or b"", context=context))
    if kind is Kind.KV:
        from kestra_sync.kinds.kv.kind import KvKind

        return tuple(KvKind().diff(before or b"", after or b"", context=context))
    return diff_flows(before or b"", after or b"", context=context)


def diff_flows(before: bytes, after: bytes, *, context: int = 2) -> tuple[Hunk, ...]:
    """The hunks between two sources of a flow, with headings from the flow's own structure."""
    return unified(
        before,
        after,
        context=context,
        old_outline=_outline(before),
        new_outline=_outline(after),
    )


def _outline(source: bytes) -> Outline | None:
    parsed = parse_source(source)
    return outline(parsed) if isinstance(parsed, ParsedDocument) else None
