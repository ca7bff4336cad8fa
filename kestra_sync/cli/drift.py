"""``kestra-sync drift``."""

from __future__ import annotations

from typing import Any

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    context_option,
    report_options,
    selection_options,
    settings_from,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("drift")
@source_options
@config_options
@selection_options
@context_option
@connection_options
@report_options
def command(
    *,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: Any,
) -> ExitCode:
    """Show drift: changes made on the server since the last apply.

    Writes nothing. Exits with code 2 if there is drift.
    """
    from kestra_sync.commands.drift import drift
    from kestra_sync.report.collect import of_drift

    output = Output.of(
        "drift", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    asked = settings_from(**settings)
    observer = output.observer()
    try:
        result = drift(asked, observer=observer)
    finally:
        observer.end()
    report = of_drift(result, context=context, environment=asked.environment)
    output.show(report.sections())
    return output.report(report)
