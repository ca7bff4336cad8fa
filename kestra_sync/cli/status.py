"""``kestra-sync status``."""

from __future__ import annotations

import sys
from functools import partial

import click

from kestra_sync.cli.options import (
    config_option,
    connection_options,
    option,
    scope_options,
    settings_from,
)
from kestra_sync.cli.output import Output
from kestra_sync.cli.streams import for_stream
from kestra_sync.errors import ExitCode


@click.command("status")
@scope_options
@config_option
@option("--name", metavar="NAME", help="Name of the inventory.")
@option(
    "-e",
    "--environment",
    "environments",
    multiple=True,
    metavar="NAME",
    help="Environment to show; repeatable. Default: all in the configuration file.",
)
@option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for each environment.",
)
@option("--detailed-exitcode", is_flag=True, help="Exit with code 2 if anything differs.")
@connection_options
@option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown", "html"]),
    default="text",
    show_default=True,
    help="Format of stdout.",
)
@option("-v", "--verbose", is_flag=True, help="Verbose: log every request.")
def command(
    *,
    environments: tuple[str, ...],
    limit: float,
    detailed_exitcode: bool,
    output_format: str,
    verbose: bool,
    config_path: str | None,
    **settings: object,
) -> ExitCode:
    """Show all environments: server, last apply, commits behind, pending changes, drift.

    Environments are queried in parallel; one that does not respond is shown as unreachable. Exits
    with the code of the most severe error.
    """
    from kestra_sync.commands.status import status
    from kestra_sync.config.config import load_config
    from kestra_sync.report import environments as report

    output = Output.of("status", output_format=output_format, color="auto", verbose=verbose)
    config = load_config(config_path)
    known: tuple[str | None, ...] = config.environments if config is not None else ()
    names = environments or known or (None,)
    result = status(
        [
            (name, partial(settings_from, config_path=config_path, environment=name, **settings))
            for name in names
        ],
        limit=limit,
    )
    code = result.exit_code(detailed=detailed_exitcode)
    output.text(report.status_lines(result))
    output.result(code, report.status_json(result))
    if output_format in ("markdown", "html"):
        draw = report.status_markdown if output_format == "markdown" else report.status_html
        sys.stdout.write(for_stream(draw(result), sys.stdout, output_format))
    return code
