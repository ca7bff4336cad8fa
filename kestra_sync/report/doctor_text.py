"""The result of ``doctor`` as text."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.commands.checkup import Diagnosis, Health
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import BLANK, Line, Span, Style, line

_STYLES = {
    Health.OK: Style.GOOD,
    Health.WARNING: Style.WARNING,
    Health.FAILED: Style.ERROR,
    Health.SKIPPED: Style.DIM,
}


def doctor_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    """A line for each question, its remedy below it, and the verdict."""
    width = max(len(each.question) for each in diagnosis.checkups)
    for each in diagnosis.checkups:
        yield line(
            "  ",
            Span(f"{each.health!s:<7}", _STYLES[each.health]),
            f"  {each.question:<{width}}  {each.answer}",
        )
        if each.remedy:
            yield line(Span(f"{'':<{width + 13}}{each.remedy}", Style.DIM))
    yield BLANK
    if diagnosis.exit_code is ExitCode.OK and diagnosis.stops_apply:
        yield line(Span("Ready to plan, but not to apply: see above.", Style.WARNING))
    elif diagnosis.exit_code is ExitCode.OK:
        yield line(Span("Ready to plan and apply.", Style.GOOD))
    else:
        yield line(Span("Not ready: see above.", Style.ERROR))
