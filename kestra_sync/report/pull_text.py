"""The result of ``pull`` as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kestra_sync.commands.pull import PulledFlow
from kestra_sync.model import counted
from kestra_sync.plan.pulling import PullOutcome
from kestra_sync.report.lines import BLANK, Line, Span, Style, line, padded, width_of

_SIGNS = {
    PullOutcome.UPDATED: ("~", Style.UPDATE),
    PullOutcome.CREATED: ("+", Style.CREATE),
    PullOutcome.LEFT: ("=", Style.DIM),
    PullOutcome.CONFLICT: ("!", Style.ALERT),
}


_WRITTEN = (PullOutcome.UPDATED, PullOutcome.CREATED)


def pull_lines(flows: Sequence[PulledFlow], *, dry_run: bool) -> Iterator[Line]:
    """List each flow that differs, then the summary and the next step."""
    names = width_of(str(each.flow_id) for each in flows) if flows else 0
    paths = width_of(each.path or "" for each in flows) if flows else 0
    for each in flows:
        sign, style = _SIGNS[each.pulled]
        columns = (padded(str(each.flow_id), names), padded(each.path or "", paths))
        yield line("  ", Span(sign, style), f" {'   '.join(columns)}   {each.reason}")
    if flows:
        yield BLANK
    count = {pulled: sum(each.pulled is pulled for each in flows) for pulled in PullOutcome}
    taken = count[PullOutcome.UPDATED] + count[PullOutcome.CREATED]
    left = f", left {count[PullOutcome.LEFT]:,} alone" if count[PullOutcome.LEFT] else ""
    if count[PullOutcome.CONFLICT]:
        left += f", {count[PullOutcome.CONFLICT]:,} in conflict"
    if taken or count[PullOutcome.CONFLICT]:
        verb = "Would pull" if dry_run else "Pulled"
        written = [each.flow_id for each in flows if each.pulled in _WRITTEN]
        yield line(Span(f"{verb} {counted(written)}{left}.", Style.HEADING))
    elif flows:
        yield line(Span(f"Nothing to pull: no changes on the server{left}.", Style.GOOD))
    else:
        yield line(Span("Nothing to pull: the files match the server.", Style.GOOD))
    yield from _next_steps(count, dry_run=dry_run)


def _next_steps(count: dict[PullOutcome, int], *, dry_run: bool) -> Iterator[Line]:
    if count[PullOutcome.CONFLICT]:
        yield line(
            "Conflicts were not written: commit or undo local changes, merge manually, or take the"
            " server's source with --overwrite."
        )
    if not dry_run and count[PullOutcome.UPDATED]:
        yield line("Review the changes with 'git diff', then commit them.")
    if not dry_run and count[PullOutcome.CREATED]:
        yield line("New files are untracked: 'git status' lists them, 'git add' adds them.")
