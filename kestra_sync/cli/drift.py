"""``kestra-sync drift``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import (
    connection_options,
    diff_options,
    environments_options,
    for_one_environment,
    report_options,
    settings_from,
    settings_options,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.report import Report


@click.command("drift")
@source_options
@environments_options
@settings_options("drift")
@diff_options
@connection_options
@report_options
def command(
    *,
    detail: str,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Show drift: changes made on the server since the last apply.

    Writes nothing. Exits with code 2 if there is drift.
    """
    from kestra_sync.commands.drift import DriftResult, drift
    from kestra_sync.report.collect import of_drift
    from kestra_sync.report.drift_text import drift_sections
    from kestra_sync.report.plan_text import DIFF_LINES

    output = Output.of(
        "drift", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )

    def show(environment: str | None, result: DriftResult) -> Report:
        report = of_drift(result, context=context, environment=environment)
        output.show(drift_sections(result, context=context, detail=detail, limit=DIFF_LINES))
        return report

    single = for_one_environment(settings)
    if single is None:
        from kestra_sync.cli.several import names_of, settings_of, side_by_side

        return side_by_side(
            output,
            names_of(settings),
            lambda name, observer: drift(settings_of(settings, name), observer=observer),
            show,
        )
    resolved = settings_from(**single)
    observer = output.observer()
    try:
        result = drift(resolved, observer=observer)
    finally:
        observer.end()
    return output.report(show(resolved.environment, result))
