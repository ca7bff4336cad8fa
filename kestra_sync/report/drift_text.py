"""Drift as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kestra_sync.kinds.registry import diff_sources, diff_whole
from kestra_sync.model import Change, FlowId, Plan, Reason, counted, plural
from kestra_sync.plan.diff import Hunk
from kestra_sync.report.lines import (
    BLANK,
    Line,
    Sections,
    Span,
    Style,
    line,
    padded,
    section,
    width_of,
)
from kestra_sync.report.plan_text import (
    DIFF_LINES,
    DiffDetail,
    diff_lines,
    header,
    plan_sections,
    stat,
    total,
)
from kestra_sync.report.trigger_text import disabled_lines

if TYPE_CHECKING:
    from kestra_sync.commands.drift import DriftResult


def drift_lines(
    plan: Plan,
    drifted: Sequence[Change],
    diffs: Mapping[FlowId, Sequence[Hunk]],
    kept_off: Sequence[Change] = (),
    others: Sequence[Line] = (),
    *,
    detail: DiffDetail = DiffDetail.SHORT,
    limit: int | None = DIFF_LINES,
) -> Iterator[Line]:
    """List each flow that others changed with the diff, then the summary.

    :param detail: how much of the diffs to show.
    :param limit: how many lines of each diff ``short`` shows; ``None`` shows all.
    """
    yield header(plan, "drift")
    if drifted:
        yield BLANK
        names = width_of(str(each.flow_id) for each in drifted)
        revisions = width_of(_revision(each) for each in drifted)
        numbers = drifted if detail is DiffDetail.STAT else ()
        stats = {each.flow_id: stat(diffs.get(each.flow_id, ())) for each in numbers}
        cut = None if detail is DiffDetail.FULL else limit
        for each in drifted:
            columns = [padded(str(each.flow_id), names)]
            if revisions:
                columns.append(padded(_revision(each), revisions))
            hunks = diffs.get(each.flow_id, ())
            if stats:
                columns.append(padded(stats[each.flow_id], width_of(stats.values())))
            columns.append(words(each))
            yield line("  ", Span("!", Style.ALERT), " ", "   ".join(columns))
            if detail.shows_lines:
                yield from diff_lines(hunks, indent=6, limit=cut)
    if kept_off:
        yield BLANK
        words_ = f"  {plural(len(kept_off), 'flow')} disabled on the server and kept disabled:"
        yield line(Span(words_, Style.DIM))
        for each in kept_off:
            yield line(Span(f"    {each.flow_id}", Style.DIM))
    if others:
        yield BLANK
        yield from others
    yield BLANK
    yield from total(diffs)
    what = counted(each.flow_id for each in drifted)
    verdict = (
        f"Drift: {what} changed on the server since the last apply."
        if drifted
        else "No drift: the server matches the last apply."
    )
    yield line(Span(verdict, Style.ALERT if drifted else Style.GOOD))


def _revision(change: Change) -> str:
    return f"rev {change.revision}" if change.revision is not None else ""


def words(change: Change) -> str:
    """Return how the flow was changed."""
    if change.before is None:
        return "deleted on the server"
    if change.reason is Reason.KEPT_OFF:
        return "disabled on the server"
    if change.base is None and change.desired is None:
        return "edited on the server (no longer in Git)"
    return "edited on the server"


def drift_sections(
    result: DriftResult, *, context: int = 2, detail: str = "short", limit: int | None = None
) -> Sections:
    """Show what others changed, or why that is not known.

    :param detail: as in :func:`plan_sections`; so is ``limit``.
    """
    if result.planned.plan is None:
        return plan_sections(result.planned, context=context)
    shown = DiffDetail(detail)
    diffs: dict[FlowId, Sequence[Hunk]] = {}
    for each in result.drifted if shown is not DiffDetail.NONE else ():
        applied = each.applied
        if each.before is not None and applied is not None:
            diffs[each.flow_id] = diff_sources(
                each.flow_id.kind, applied, each.before, context=context
            )
        elif shown is DiffDetail.FULL and applied is not None:
            # Deleted there: the whole source.
            diffs[each.flow_id] = diff_whole(each.flow_id.kind, applied, None)
    disabled = list(disabled_lines(result.disabled_triggers))
    lines = drift_lines(
        result.planned.plan,
        result.drifted,
        diffs,
        result.kept_off,
        disabled,
        detail=shown,
        limit=limit,
    )
    return (section(lines),)
