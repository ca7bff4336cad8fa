"""``kestra-sync logs``."""

from __future__ import annotations

import sys

import click

from kestra_sync.cli.options import option, output_options, server_options, settings_from
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("logs")
@click.argument("execution", metavar="ID")
@option("--follow", is_flag=True, help="Follow the logs until the execution ends.")
@option(
    "--min-level",
    type=click.Choice(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
    help="Lowest level to show.",
)
@server_options()
@output_options
def command(
    *,
    execution: str,
    follow: bool,
    min_level: str | None,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Show the logs of execution ID, with secrets masked."""
    from kestra_sync.commands.executions import log_lines
    from kestra_sync.report.execution_json import log_json
    from kestra_sync.report.execution_text import log_line_text

    output = Output.of("logs", output_format=output_format, color=color, verbose=verbose)
    found = log_lines(settings_from(**settings), execution, follow=follow, min_level=min_level)
    if output.json:
        lines = log_json(found)
        output.result(ExitCode.OK, {"execution": execution, "log": lines})
        return ExitCode.OK
    coloured = output.coloured(sys.stdout)
    for each in found:
        output.text([log_line_text(each, colour=coloured)])
        if follow:
            sys.stdout.flush()
    return ExitCode.OK
