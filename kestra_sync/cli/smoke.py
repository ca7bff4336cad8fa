"""``kestra-sync smoke``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    option,
    report_options,
    settings_from,
    settings_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("smoke")
@click.argument("paths", nargs=-1, type=str)
@config_options
@option("--only", multiple=True, metavar="PATTERN", help="Only tests of these flows; repeatable.")
@option(
    "--exclude", multiple=True, metavar="PATTERN", help="Skip tests of these flows; repeatable."
)
@option(
    "--keep",
    type=click.Choice(["never", "on-failure", "always"]),
    help="Executions to keep on the server, overriding the tests' own setting.",
)
@settings_options("smoke", without=("only", "exclude"))
@connection_options
@report_options
def command(
    *,
    keep: str | None,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Run the smoke tests of the flows in PATHS (default: flows), changed or not.

    Smoke tests are defined in *.smoke.yaml files next to the flows and in the `smoke` list of the
    configuration. Exits with code 7 if any of them fails.
    """
    from kestra_sync.cli.smoke_progress import smoke_progress
    from kestra_sync.commands.smoke import smoke
    from kestra_sync.report.collect import of_smoke

    output = Output.of(
        "smoke", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    resolved = settings_from(**settings)
    observer = smoke_progress(output)
    try:
        result = smoke(resolved, keep=keep, observer=observer)
    finally:
        observer.end()
    report = of_smoke(result, environment=resolved.environment)

    def show_result() -> None:
        output.show(report.sections())

    if result.result is not None:
        return output.report_outcome(report.exit_code, show_result, lambda: output.report(report))
    show_result()
    return output.report(report)
