"""The plan as text, for terminals and logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kestra_sync.kinds.registry import diff_sources
from kestra_sync.model import Action, Change, FlowId, Plan, noun_of
from kestra_sync.plan.diff import Hunk
from kestra_sync.plan.refusals import Refusal
from kestra_sync.report.diff_text import (
    DIFF_LINES,
    DiffDetail,
    alike,
    by_namespace,
    diff_lines,
    stat,
    total,
)
from kestra_sync.report.lines import BLANK, Line, Span, Style, cells, line, padded, width_of
from kestra_sync.report.trigger_text import trigger_lines
from kestra_sync.report.wording import (
    beside,
    folders,
    is_alert,
    is_conflict,
    note,
    plural,
    sign,
    summary,
)
from kestra_sync.triggers.changes import TriggerChange

_STYLES = {
    Action.CREATE: Style.CREATE,
    Action.UPDATE: Style.UPDATE,
    Action.MOVE: Style.UPDATE,
    Action.DELETE: Style.DELETE,
    Action.NONE: Style.DIM,
}

#: Flows that are listed by name among those left alone; more are counted.
_LISTED = 10


def header(plan: Plan, command: str = "plan") -> Line:
    """The line that says what is compared with what."""
    target = plan.target
    environment = f", environment {target.environment}" if target.environment else ""
    if plan.rollback_to is not None:
        return line(
            Span("kestra-sync rollback", Style.HEADING),
            f" · {target.url} (Kestra {plan.server_version}, tenant {target.tenant}{environment})"
            f" · to run {plan.rollback_to}",
        )
    return line(
        Span(f"kestra-sync {command}", Style.HEADING),
        f" · {target.url} (Kestra {plan.server_version}, tenant {target.tenant}{environment})"
        f" · {plural(plan.flows, 'flow')} in {folders(plan.source)}{beside(plan)}",
    )


def plan_lines(
    plan: Plan,
    diffs: Mapping[FlowId, Sequence[Hunk]],
    *,
    verbose: bool = False,
    triggers: Mapping[FlowId, Sequence[TriggerChange]] | None = None,
    detail: DiffDetail = DiffDetail.SHORT,
    limit: int | None = DIFF_LINES,
    width: int | None = None,
) -> Iterator[Line]:
    """The whole plan: header, a line for each change with its diff, what is left alone, summary.

    :param diffs: the hunks of each change that has any.
    :param verbose: list every flow that is left alone, not only the first few.
    :param triggers: what the changes do to triggers, by flow.
    :param detail: how much of the diffs to show; ``full`` keeps flows with the same change apart.
    :param limit: how many lines of each diff ``short`` shows; ``None`` shows all.
    :param width: the columns of the terminal: what is wider continues on a line of its own.
    """
    yield header(plan)
    shown = [change for change in plan.changes if change.writes or is_alert(change)]
    if shown:
        yield BLANK
        names = width_of(str(change.flow_id) for change in shown)
        revisions = width_of(_revision(change) for change in shown)
        paths = width_of(change.path or "" for change in shown if _shows_path(change))
        counts = shown if detail is DiffDetail.STAT else ()
        stats = {change.flow_id: stat(diffs.get(change.flow_id, ())) for change in counts}
        counted = width_of(stats.values()) if stats else 0
        groups = alike(shown, diffs) if detail is DiffDetail.SHORT else {}
        grouped = {each.flow_id for others in groups.values() for each in others}
        cut = None if detail is DiffDetail.FULL else limit

        def headline(change: Change, indent: int = 2) -> Iterator[Line]:
            numbers = padded(stats[change.flow_id], counted) if counted else ""
            columns = _Columns(names, revisions, paths, width, indent)
            return _change_lines(change, columns, numbers)

        for change in shown:
            if change.flow_id in grouped:
                continue
            yield from headline(change)
            if detail.shows_lines:
                yield from diff_lines(diffs.get(change.flow_id, ()), indent=6, limit=cut)
                yield from _edited_on_the_server(change, cut)
            told = (triggers or {}).get(change.flow_id, ())
            if told:
                yield from trigger_lines(told, plan, indent=6)
            others = groups.get(change.flow_id, ())
            if others:
                more = plural(len(others), "more flow")
                yield line(" " * 6, Span(f"the same change in {more}:", Style.DIM))
                for each in others:
                    yield from headline(each, 6)
                    own = (triggers or {}).get(each.flow_id, ())
                    yield from _other_triggers(own, told, plan, indent=10)
        yield from by_namespace(shown, always=detail is DiffDetail.STAT)
    yield from _left_alone(plan, verbose)
    yield from _recorded(plan)
    if plan.partial:
        yield BLANK
        yield line(
            Span("Partial run: ", Style.WARNING),
            "nothing is deleted.",
        )
    yield BLANK
    if detail is not DiffDetail.NONE:
        yield from total({each.flow_id: diffs.get(each.flow_id, ()) for each in shown})
    yield line(Span(summary(plan), Style.HEADING))


def _other_triggers(
    changes: Sequence[TriggerChange], told: Sequence[TriggerChange], plan: Plan, *, indent: int
) -> Iterator[Line]:
    """The triggers of a flow that are not as those of one with the same diff."""

    def words(change: TriggerChange) -> list[str]:
        return [each.text for each in trigger_lines([change], plan, indent=indent)]

    known = [words(each) for each in told]
    yield from trigger_lines([it for it in changes if words(it) not in known], plan, indent=indent)


@dataclass(frozen=True)
class _Columns:
    """The widths of the columns of names, revisions and paths; and that of the whole line."""

    names: int
    revisions: int
    paths: int
    line: int | None
    indent: int


def _change_lines(change: Change, columns: _Columns, numbers: str = "") -> Iterator[Line]:
    """One line; where it does not fit, the path and the reason are below the name."""
    style = Style.ALERT if is_alert(change) else _STYLES[change.action]
    if change.invalid:
        style = Style.ERROR
    head = [padded(str(change.flow_id), columns.names)]
    if columns.revisions:
        head.append(padded(_revision(change), columns.revisions))
    if numbers:
        head.append(numbers)
    why = note(change)
    rest = [why] if why else []
    if _shows_path(change):
        rest.insert(0, padded(change.path or "", columns.paths if why else 0))
    mark = Span(sign(change), style)
    text = "   ".join([*head, *rest])
    if columns.line is None or columns.indent + 2 + cells(text) <= columns.line:
        yield line(" " * columns.indent, mark, f" {text}")
        return
    yield line(" " * columns.indent, mark, f" {'   '.join(head)}")
    for each in rest:
        if each.strip():
            yield line(" " * (columns.indent + 4), Span(each.strip(), Style.DIM))


def _edited_on_the_server(change: Change, limit: int | None) -> Iterator[Line]:
    """The other side of a conflict: the edit that would be lost."""
    if is_conflict(change) and change.base is not None and change.before is not None:
        pad = " " * 6
        yield line(pad, Span("edited on the server since the last apply:", Style.ALERT))
        hunks = diff_sources(change.flow_id.kind, change.base, change.before)
        yield from diff_lines(hunks, indent=6, limit=limit)


def _shows_path(change: Change) -> bool:
    # The path of a deletion names a file that is no longer there.
    return change.action is not Action.DELETE


def _revision(change: Change) -> str:
    if change.revision is None:
        return ""
    if change.action in (Action.UPDATE, Action.MOVE):
        return f"rev {change.revision} → {change.revision + 1}"
    return f"rev {change.revision}"


def _left_alone(plan: Plan, verbose: bool) -> Iterator[Line]:
    """What the plan noticed and does not touch: by name while they are few."""
    lists: dict[int, list[Change]] = defaultdict(list)
    for each in plan.changes:
        if each.reason.traits.group and not each.writes:
            lists[each.reason.traits.group].append(each)
    for _group, changes in sorted(lists.items()):
        words = changes[0].reason.traits.note
        yield BLANK
        noun = noun_of(each.flow_id for each in changes)
        yield line(Span(f"  {plural(len(changes), noun)} {words}:", Style.DIM))
        limit = len(changes) if verbose else _LISTED
        for change in changes[:limit]:
            yield line(Span(f"    {change.flow_id}", Style.DIM))
        if len(changes) > limit:
            yield line(Span(f"    … and {len(changes) - limit:,} more (-v lists all)", Style.DIM))


def _recorded(plan: Plan) -> Iterator[Line]:
    """What happens to the inventory as a whole."""
    whole = [each for each in plan.record if each.kind in ("move", "bind", "strike", "close")]
    if whole:
        yield BLANK
    for each in whole:
        words = each.message if each.flows == 0 else f"inventory: {each.message}"
        yield line("  ", Span("~", Style.UPDATE), f" {words}")


def refusal_lines(refusals: Sequence[Refusal]) -> Iterator[Line]:
    """Why the plan is not carried out: each guard with its numbers and the remedy."""
    for each in refusals:
        yield line(Span(f"refused[{each.rule}]", Style.ERROR), f" {each.message}")
        yield line(Span(f"    {each.remedy}", Style.DIM))
