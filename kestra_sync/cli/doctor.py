"""``kestra-sync doctor``, and its result as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    output_options,
    settings_from,
    settings_options,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import BLANK, Line, Span, Style, line

if TYPE_CHECKING:
    from kestra_sync.commands.checkup import Diagnosis

_STYLES = {
    "ok": Style.GOOD,
    "warning": Style.WARNING,
    "failed": Style.ERROR,
    "skipped": Style.DIM,
}


@click.command("doctor")
@source_options
@config_options
@settings_options("doctor")
@connection_options
@output_options
def command(*, output_format: str, color: str, verbose: bool, **settings: object) -> ExitCode:
    """Check files, network, server, permissions, inventory and lock.

    The exit code is the one that plan would return.
    """
    from kestra_sync.commands.doctor import doctor

    output = Output.of("doctor", output_format=output_format, color=color, verbose=verbose)
    diagnosis = doctor(settings_from(**settings))
    output.text(doctor_lines(diagnosis))
    output.result(
        diagnosis.exit_code,
        {
            "checkups": [
                {
                    "question": each.question,
                    "health": str(each.health),
                    "answer": each.answer,
                    "remedy": each.remedy,
                }
                for each in diagnosis.checkups
            ]
        },
    )
    return diagnosis.exit_code


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
