"""The text diffs of a plan, with headings from the flows' own structure."""

from __future__ import annotations

from kestra_sync.model import Action, Change
from kestra_sync.plan.diff import Hunk, Outline, unified
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_source
from kestra_sync.repo.outline import outline


def diff_of(change: Change, *, context: int = 2) -> tuple[Hunk, ...]:
    """What the change does to the source; nothing for creations, deletions and no change at all."""
    if change.before is None or change.after is None or change.action is Action.NONE:
        return ()
    return diff_sources(change.before, change.after, context=context)


def diff_sources(before: bytes, after: bytes, *, context: int = 2) -> tuple[Hunk, ...]:
    """The hunks between two sources of a flow."""
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
