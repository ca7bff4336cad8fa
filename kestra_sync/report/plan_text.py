"""The plan as text, for terminals and logs, and the level of detail of its diffs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.kinds.registry import diff_of, diff_sources, diff_whole
from kestra_sync.model import Action, Change, FlowId, Plan, Reason, StrEnum, counted, plural
from kestra_sync.plan.diff import Hunk, LineMark
from kestra_sync.report.diagnostics import problem_sections, skipped_lines
from kestra_sync.report.lines import (
    BLANK,
    Line,
    Section,
    Sections,
    Span,
    Style,
    cells,
    folders,
    is_alert,
    is_conflict,
    line,
    message,
    note,
    other_counts_text,
    padded,
    section,
    sign,
    summary,
    width_of,
)

if TYPE_CHECKING:
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.triggers.changes import TriggerChange


class DiffDetail(StrEnum):
    """How much of the diffs to show."""

    FULL = "full"
    SHORT = "short"
    STAT = "stat"
    NONE = "none"

    @property
    def shows_lines(self) -> bool:
        """Whether changed lines are shown at all."""
        return self in (DiffDetail.FULL, DiffDetail.SHORT)


_MARKS = {
    LineMark.SAME: Style.DIM,
    LineMark.ADDED: Style.CREATE,
    LineMark.REMOVED: Style.DELETE,
    LineMark.NOTE: Style.DIM,
}
#: The maximum number of lines of a flow's diff with ``short``.
DIFF_LINES = 200
#: The minimum number of flows with the same change to group.
_ALIKE = 3
#: The minimum number of changes for the counts by namespace.
_MANY = 25
_COUNTED = (Action.CREATE, Action.UPDATE, Action.MOVE, Action.DELETE)


def diff_lines(
    hunks: Sequence[Hunk], *, indent: int, limit: int | None = DIFF_LINES
) -> Iterator[Line]:
    """Show the hunks of one flow, truncated with a note if they are too long.

    :param limit: the maximum number of lines; ``None`` shows all.
    """
    pad = " " * indent
    room = sum(len(hunk.lines) for hunk in hunks) if limit is None else limit
    hidden: list[LineMark] = []
    for hunk in hunks:
        if room:
            yield line(pad, Span(f"@@ {hunk.heading} @@", Style.DIM))
        for mark, text in hunk.lines[:room]:
            yield line(pad, Span(f"{mark.value} {text}", _MARKS[mark]))
        hidden += [mark for mark, _ in hunk.lines[room:]]
        room = max(room - len(hunk.lines), 0)
    if hidden:
        more = plural(len(hidden), "more line")
        count = _signed(hidden.count(LineMark.ADDED), hidden.count(LineMark.REMOVED))
        words = f"… {more} of this diff ({count}): --diff full shows all of them"
        yield line(pad, Span(words, Style.DIM))


def stat(hunks: Sequence[Hunk]) -> str:
    """Count added and removed lines, such as ``+3 −1``; ``""`` without hunks."""
    marks = [mark for hunk in hunks for mark, _ in hunk.lines]
    return _signed(marks.count(LineMark.ADDED), marks.count(LineMark.REMOVED)) if marks else ""


def total(hunks: Mapping[FlowId, Sequence[Hunk]]) -> Iterator[Line]:
    """Count added and removed lines in all diffs, if there are several."""
    changed = [name for name, found in hunks.items() if found]
    if len(changed) < 2:
        return
    what = counted(changed)
    count = stat([hunk for name in changed for hunk in hunks[name]])
    yield line(Span(f"Diffs of {what}: {count} lines", Style.DIM))


def _signed(added: int, removed: int) -> str:
    return f"+{added:,} −{removed:,}"


def alike(
    changes: Sequence[Change], diffs: Mapping[FlowId, Sequence[Hunk]]
) -> dict[FlowId, list[Change]]:
    """Group flows with the same change: the first one → the others; small groups are left out.

    Changes are the same if they add and remove the same lines; the context may differ. Changes
    other than those in Git (drift, a conflict, a take-over) are never grouped.
    """
    groups: dict[tuple[tuple[LineMark, str], ...], list[Change]] = defaultdict(list)
    for change in changes:
        if (
            change.action is Action.UPDATE
            and change.reason is Reason.CHANGED
            and not change.invalid
        ):
            key = tuple(
                (mark, text)
                for hunk in diffs.get(change.flow_id, ())
                for mark, text in hunk.lines
                if mark is not LineMark.SAME
            )
            if key:
                groups[key].append(change)
    found = [group for group in groups.values() if len(group) >= _ALIKE]
    return {group[0].flow_id: group[1:] for group in found}


def by_namespace(changes: Sequence[Change], *, always: bool) -> Iterator[Line]:
    """Return a table of the changes by namespace, if there are many.

    :param always: also if there are few.
    """
    counts: dict[str, Counter[Action]] = defaultdict(Counter)
    for change in changes:
        if change.action in _COUNTED:
            counts[change.flow_id.namespace][change.action] += 1
    if not counts or not (always or sum(each.total() for each in counts.values()) > _MANY):
        return
    columns = [action for action in _COUNTED if any(each[action] for each in counts.values())]
    width = max(width_of(counts), len("namespace"))
    heads = "".join(f"   {action.value:>6}" for action in columns)
    yield BLANK
    yield line("  ", Span(f"{padded('namespace', width)}{heads}", Style.DIM))
    for namespace, count in sorted(counts.items()):
        numbers = "".join(f"   {count[action] or '–':>6}" for action in columns)
        yield line(f"  {padded(namespace, width)}{numbers}")


_STYLES = {
    Action.CREATE: Style.CREATE,
    Action.UPDATE: Style.UPDATE,
    Action.MOVE: Style.UPDATE,
    Action.DELETE: Style.DELETE,
    Action.NONE: Style.DIM,
}

#: The maximum number of flows that are left alone to list by name.
_LISTED = 10


def header(plan: Plan, command: str = "plan") -> Line:
    """Return the line that names the command, the server and the files."""
    target = plan.target
    environment = f", environment {target.environment}" if target.environment else ""
    where = f"{target.url} (Kestra {plan.server_version}, tenant {target.tenant}{environment})"
    if plan.rollback_to is not None:
        command, what = "rollback", f"to run {plan.rollback_to}"
    else:
        what = f"{plural(plan.flows, 'flow')} in {folders(plan.source)}{other_counts_text(plan)}"
    return line(Span(f"kestra-sync {command}", Style.HEADING), f" · {where} · {what}")


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
    """Show the plan: header, each change with its diff, what is left alone, summary.

    :param diffs: the hunks of each change that has any.
    :param verbose: list all flows that are left alone, not only the first ones.
    :param triggers: the effect of the changes on triggers, by flow.
    :param detail: how much of the diffs to show; ``full`` keeps flows with the same change apart.
    :param limit: the maximum number of lines of each diff with ``short``; ``None`` shows all.
    :param width: the columns of the terminal: longer rows continue on the next line.
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
            trigger_changes = (triggers or {}).get(change.flow_id, ())
            if trigger_changes:
                from kestra_sync.report.trigger_text import trigger_lines  # few plans need it

                yield from trigger_lines(trigger_changes, plan, indent=6)
            others = groups.get(change.flow_id, ())
            if others:
                more = plural(len(others), "more flow")
                yield line(" " * 6, Span(f"the same change in {more}:", Style.DIM))
            for each in others:
                yield from headline(each, 6)
                own = (triggers or {}).get(each.flow_id, ())
                if own:
                    yield from _other_triggers(own, trigger_changes, plan, indent=10)
        yield from by_namespace(shown, always=detail is DiffDetail.STAT)
    yield from _left_alone(plan, verbose)
    yield from _recorded(plan)
    if plan.partial:
        yield BLANK
        yield line(Span("Partial run: ", Style.WARNING), "nothing is deleted.")
    yield BLANK
    if detail is not DiffDetail.NONE:
        yield from total({each.flow_id: diffs.get(each.flow_id, ()) for each in shown})
    yield line(Span(summary(plan), Style.HEADING))


def _other_triggers(
    changes: Sequence[TriggerChange], shown: Sequence[TriggerChange], plan: Plan, *, indent: int
) -> Iterator[Line]:
    """Return the trigger changes of a flow that differ from those of its group."""
    from kestra_sync.report.trigger_text import trigger_lines

    def words(change: TriggerChange) -> list[str]:
        return [each.text for each in trigger_lines([change], plan, indent=indent)]

    known = [words(each) for each in shown]
    yield from trigger_lines([it for it in changes if words(it) not in known], plan, indent=indent)


@dataclass(frozen=True)
class _Columns:
    """The widths of the columns of names, revisions and paths, and of the line."""

    names: int
    revisions: int
    paths: int
    line: int | None
    indent: int


def _change_lines(change: Change, columns: _Columns, numbers: str = "") -> Iterator[Line]:
    """Show a change in one line; if it is too long, the path and the reason are below the name."""
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
    """Show the other side of a conflict: the edit that would be lost."""
    if is_conflict(change) and change.base is not None and change.before is not None:
        pad = " " * 6
        yield line(pad, Span("edited on the server since the last apply:", Style.ALERT))
        hunks = diff_sources(change.flow_id.kind, change.base, change.before)
        yield from diff_lines(hunks, indent=6, limit=limit)


def _shows_path(change: Change) -> bool:
    # The path of a deletion is that of a file that no longer exists.
    return change.action is not Action.DELETE


def _revision(change: Change) -> str:
    if change.revision is None:
        return ""
    if change.action in (Action.UPDATE, Action.MOVE):
        return f"rev {change.revision} → {change.revision + 1}"
    return f"rev {change.revision}"


def _left_alone(plan: Plan, verbose: bool) -> Iterator[Line]:
    """List what is left alone: by name if there are few."""
    lists: dict[int, list[Change]] = defaultdict(list)
    for each in plan.changes:
        if each.reason.traits.group and not each.writes:
            lists[each.reason.traits.group].append(each)
    for _group, changes in sorted(lists.items()):
        words = changes[0].reason.traits.note
        yield BLANK
        what = counted(each.flow_id for each in changes)
        yield line(Span(f"  {what} {words}:", Style.DIM))
        limit = len(changes) if verbose else _LISTED
        for change in changes[:limit]:
            yield line(Span(f"    {change.flow_id}", Style.DIM))
        if len(changes) > limit:
            yield line(Span(f"    … and {len(changes) - limit:,} more (-v lists all)", Style.DIM))


def _recorded(plan: Plan) -> Iterator[Line]:
    """List the changes of the inventory as a whole."""
    whole = [each for each in plan.record if each.kind in ("move", "bind", "strike", "close")]
    if whole:
        yield BLANK
    for each in whole:
        words = each.message if each.flows == 0 else f"inventory: {each.message}"
        yield line("  ", Span("~", Style.UPDATE), f" {words}")


def plan_sections(
    result: PlanResult,
    *,
    context: int = 2,
    verbose: bool = False,
    detail: str = "short",
    limit: int | None = None,
    width: int | None = None,
) -> Sections:
    """Return the sections of a plan: skipped files, the plan, problems.

    :param detail: how much of the diffs to show: full, short, stat or none.
    :param limit: the maximum number of lines of each diff with ``short``; ``None`` shows all.
    :param width: the columns of the terminal; ``None`` if there is none.
    """
    found: list[Section] = []
    if result.repository.skipped:
        found.append(message(skipped_lines(result.repository)))
    if result.plan is not None:
        shown = DiffDetail(detail)
        changes = () if shown is DiffDetail.NONE else result.plan.changes
        diffs = {each.flow_id: diff_of(each, context=context) for each in changes}
        if shown is DiffDetail.FULL:
            # The whole source of flows that are created or deleted.
            for each in changes:
                if each.writes and not diffs[each.flow_id]:
                    diffs[each.flow_id] = diff_whole(each.flow_id.kind, each.before, each.after)
        lines = plan_lines(
            result.plan,
            diffs,
            verbose=verbose,
            triggers=result.triggers,
            detail=shown,
            limit=limit,
            width=width,
        )
        found.append(section(lines))
        if result.enabling:
            from kestra_sync.report.trigger_text import enabling_lines

            found.append(section(enabling_lines(result.enabling)))
    if result.diagnostics or result.refusals:
        found += problem_sections(result.diagnostics, result.refusals, invalid=result.invalid)
    return tuple(found)
