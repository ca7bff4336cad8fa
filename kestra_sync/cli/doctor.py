"""``kestra-sync doctor``."""

from __future__ import annotations

from typing import Any

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


@click.command("doctor")
@source_options
@config_options
@settings_options("doctor")
@connection_options
@output_options
def command(*, output_format: str, color: str, verbose: bool, **settings: Any) -> ExitCode:
    """Check files, network, server, permissions, inventory and lock.

    The exit code is the one that plan would return.
    """
    from kestra_sync.commands.doctor import doctor
    from kestra_sync.report.doctor_text import doctor_lines

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
