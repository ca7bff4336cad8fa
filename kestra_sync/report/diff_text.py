"""How much of the diffs a person sees, and how much is told in numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from kestra_sync.model import Action, Change, FlowId, Reason, StrEnum
from kestra_sync.plan.diff import Hunk, LineMark
from kestra_sync.report.lines import BLANK, Line, Span, Style, line, padded, width_of
from kestra_sync.report.wording import kind_counts, plural


class DiffDetail(StrEnum):
    """How much of the diffs is shown."""

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
#: Lines of one flow's diff that ``short`` shows.
DIFF_LINES = 200
#: So many flows with the same change are shown as one.
_ALIKE = 3
#: From so many changes on they are counted by namespace, too.
_MANY = 25
_COUNTED = (Action.CREATE, Action.UPDATE, Action.MOVE, Action.DELETE)


def diff_lines(
    hunks: Sequence[Hunk], *, indent: int, limit: int | None = DIFF_LINES
) -> Iterator[Line]:
    """The hunks of one flow, cut where they get too long to be read, and saying so.

    :param limit: how many lines to show; ``None`` shows all.
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
        words = f"… {more} of this diff ({count}): --diff full shows all of it"
        yield line(pad, Span(words, Style.DIM))


def stat(hunks: Sequence[Hunk]) -> str:
    """How many lines come and go, such as ``+3 −1``; ``""`` without hunks."""
    marks = [mark for hunk in hunks for mark, _ in hunk.lines]
    return _signed(marks.count(LineMark.ADDED), marks.count(LineMark.REMOVED)) if marks else ""


def total(hunks: Mapping[FlowId, Sequence[Hunk]]) -> Iterator[Line]:
    """How many lines come and go in all diffs, if there are several: ``2 flows changed: +5 −3``."""
    changed = [name for name, found in hunks.items() if found]
    if len(changed) < 2:
        return
    what = kind_counts(changed) or plural(len(changed), "flow")
    count = stat([hunk for name in changed for hunk in hunks[name]])
    yield line(Span(f"{what} changed: {count} lines", Style.DIM))


def _signed(added: int, removed: int) -> str:
    return f"+{added:,} −{removed:,}"


def alike(
    changes: Sequence[Change], diffs: Mapping[FlowId, Sequence[Hunk]]
) -> dict[FlowId, list[Change]]:
    """The first flow of each group with the same change → the others; small groups are left out.

    Changes are the same if the same lines come and go; the lines around them may differ. What
    is more than a change in Git (drift, a conflict, a take-over) is never in a group.
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
    """A table of how many flows of each namespace come, change and go, if there are many.

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
