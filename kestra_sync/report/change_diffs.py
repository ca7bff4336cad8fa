"""The diffs of the changes in a report, in either direction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kestra_sync.kinds.registry import diff_of, diff_sources, diff_whole
from kestra_sync.model import Change
from kestra_sync.plan.diff import Hunk
from kestra_sync.report.lines import is_conflict
from kestra_sync.report.report import Report


@dataclass(frozen=True)
class Diff:
    """A text diff and its title, which is ``""`` for the change itself."""

    title: str
    hunks: tuple[Hunk, ...]


def diffs_of(report: Report, change: Change, *, whole: bool = False) -> tuple[Diff, ...]:
    """Return the diff of the change; for drift, that of the edit; for a conflict, both.

    :param whole: also show the source of created and deleted flows.
    """
    found, kind = [], change.flow_id.kind
    if report.drifted is not None:
        applied = change.applied
        if applied is not None and change.before is not None:
            hunks = diff_sources(kind, applied, change.before, context=report.context)
            found.append(Diff("", hunks))
    else:
        found.append(Diff("", _of_plan(report, change, whole)))
        if is_conflict(change) and change.base is not None and change.before:
            hunks = diff_sources(kind, change.base, change.before, context=report.context)
            found.append(Diff("Edited on the server since the last apply", hunks))
    return tuple(each for each in found if each.hunks)


def _of_plan(report: Report, change: Change, whole: bool) -> tuple[Hunk, ...]:
    moved = change.moved_from
    if moved is not None and moved.before is not None and change.after is not None:
        return diff_sources(change.flow_id.kind, moved.before, change.after, context=report.context)
    if whole and change.writes and (change.before is None or change.after is None):
        hunks = diff_whole(change.flow_id.kind, change.before, change.after)
        return tuple(replace(each, heading="") for each in hunks)
    return diff_of(change, context=report.context)
