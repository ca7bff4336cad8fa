"""``kestra-sync validate``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    option,
    report_options,
    settings_from,
    settings_options,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("validate")
@source_options
@settings_options("validate")
@config_options
@option("--offline", is_flag=True, help="Run offline checks only.")
@option(
    "--kestra",
    metavar="VERSION",
    help="Check against this Kestra version, such as 2.0, instead of a server.",
)
@connection_options
@report_options
def command(
    *,
    offline: bool,
    kestra: str | None,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Check the flows in PATHS (default: flows), offline and against the server.

    The server is used if a URL is set. Exits with code 3 if any flow is invalid.
    """
    from kestra_sync.client.places import has_url
    from kestra_sync.commands.validate import validate
    from kestra_sync.report.collect import of_validate

    output = Output.of(
        "validate", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    offline = offline or kestra is not None
    resolved = settings_from(offline=offline, **settings)
    offline = offline or not has_url(resolved.connection.url, resolved.connection.env_file)
    observer = output.observer()
    try:
        result = validate(resolved, offline=offline, kestra=kestra, observer=observer)
    finally:
        observer.end()
    report = of_validate(result, environment=resolved.environment)
    output.show(report.sections())
    return output.report(report)
