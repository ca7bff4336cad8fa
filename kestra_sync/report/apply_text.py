"""The result of an apply as text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus
from kestra_sync.model import Action, Kind
from kestra_sync.report.lines import (
    BLANK,
    Line,
    Section,
    Sections,
    Span,
    Style,
    counts_in_words,
    line,
    message,
    section,
)

if TYPE_CHECKING:
    from kestra_sync.commands.apply import ApplyResult

#: The words for each outcome, in the order of the summary.
_WORDS: Mapping[Action | ChangeStatus, str] = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.MOVE: "moved",
    Action.DELETE: "deleted",
    ChangeStatus.FAILED: "failed",
    ChangeStatus.CONFLICT: "in conflict",
    ChangeStatus.NOT_ATTEMPTED: "not attempted",
}

#: The maximum number of flows that were not attempted to list by name.
_LISTED = 10


def outcome_lines(
    outcomes: Sequence[Outcome],
    restored: Sequence[Restored] = (),
    *,
    interrupted: bool = False,
) -> Iterator[Line]:
    """List what failed or was not attempted, then summarize everything in one line."""
    for status, words, style in (
        (ChangeStatus.FAILED, "Failed", Style.ERROR),
        (ChangeStatus.CONFLICT, "Conflicts with concurrent changes", Style.ALERT),
        (ChangeStatus.NOT_ATTEMPTED, "Not attempted", Style.DIM),
    ):
        found = [each for each in outcomes if each.status is status]
        if not found:
            continue
        yield line(Span(f"{words}:", style))
        # All failures are listed; changes that were not attempted may be most of the plan.
        shown = found[:_LISTED] if status is ChangeStatus.NOT_ATTEMPTED else found
        for each in shown:
            yield line(f"  {each.change.flow_id}", f": {each.message}" if each.message else "")
            remedy = getattr(each.error, "remedy", None)
            if remedy:
                yield line(Span(f"      {remedy}", Style.DIM))
        if len(found) > len(shown):
            yield line(Span(f"  … and {len(found) - len(shown):,} more", Style.DIM))
        yield BLANK
    good = all(each.status is ChangeStatus.APPLIED for each in outcomes) and not interrupted
    yield line(Span(applied_summary(outcomes, interrupted=interrupted), _verdict(good)))
    if restored:
        yield from _restored_lines(restored)
    elif not good:
        yield line("Run the same command again to apply the rest.")


def _restored_lines(restored: Sequence[Restored]) -> Iterator[Line]:
    left = [each for each in restored if each.status is not RollbackStatus.RESTORED]
    if left:
        yield BLANK
        yield line(Span("Not rolled back:", Style.ERROR))
        for each in left:
            yield line(f"  {each.change.flow_id}: {each.message}")
        yield BLANK
    words = f"Rolled back: {len(restored) - len(left):,} of {len(restored):,} writes."
    yield line(Span(words, _verdict(not left)))


def applied_summary(outcomes: Sequence[Outcome], *, interrupted: bool = False) -> str:
    """``Applied: 2 created, 1 updated.``; after a failure ``Partially applied`` and what was
    not."""
    found: defaultdict[Action | ChangeStatus, Counter[Kind]] = defaultdict(Counter)
    for each in outcomes:
        done = each.status is ChangeStatus.APPLIED
        found[each.change.action if done else each.status][each.change.flow_id.kind] += 1
    parts = counts_in_words((found[key], text) for key, text in _WORDS.items())
    applied = sum(each.status is ChangeStatus.APPLIED for each in outcomes)
    if interrupted:
        lead = "Interrupted"
    elif applied == len(outcomes):
        lead = "Applied"
    else:
        lead = "Partially applied" if applied else "Nothing applied"
    return f"{lead}: {', '.join(parts) or 'nothing'}."


def _verdict(good: bool) -> Style:
    return Style.GOOD if good else Style.ERROR


def applied_sections(result: ApplyResult) -> Sections:
    """The outcome of an apply, below its plan."""
    found: list[Section] = []
    if result.declined:
        found.append(section([line("Nothing was applied.")]))
    if result.smoke is not None:
        from kestra_sync.report.smoke_text import smoke_lines

        found.append(section([BLANK, *smoke_lines(result.smoke), BLANK]))
    if result.done.outcomes:
        lines = outcome_lines(
            result.done.outcomes, result.done.restored, interrupted=result.done.interrupted
        )
        found.append(section(lines))
    found.append(section(map(line, result.done.recorded)))
    if result.triggers:
        from kestra_sync.report.trigger_text import check_lines

        found.append(section(check_lines(result.triggers, result.planned.triggers)))
    warnings = (line(Span("warning: ", Style.WARNING), note) for note in result.done.notes)
    return (*found, message(warnings))
