"""``kestra-sync diff``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import (
    config_option,
    connection_options,
    context_option,
    option,
    output_options,
    scope_options,
    settings_from,
    settings_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("diff")
@option("--from", "before", required=True, metavar="NAME", help="First environment.")
@option("--to", "after", required=True, metavar="NAME", help="Second environment.")
@scope_options
@config_option
@settings_options("diff")
@option("--detailed-exitcode", is_flag=True, help="Exit with code 2 if there are differences.")
@context_option
@connection_options
@output_options
def command(
    *,
    before: str,
    after: str,
    detailed_exitcode: bool,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Compare what is deployed in two environments.

    Namespaces are mapped back to those of the files. Stamps and values set by patches are ignored,
    as are files and keys that match the configuration on both servers. Writes nothing.
    """
    from kestra_sync.commands.diff_environments import diff_environments
    from kestra_sync.report.environments import diff_json, diff_lines_of

    output = Output.of("diff", output_format=output_format, color=color, verbose=verbose)
    sides = [settings_from(environment=name, **settings) for name in (before, after)]
    observer = output.observer()
    try:
        result = diff_environments(sides[0], sides[1], observer=observer)
    finally:
        observer.end()
    code = result.exit_code(detailed=detailed_exitcode)
    output.text(diff_lines_of(result, before, after, context=context))
    output.result(code, diff_json(result, before, after, context=context))
    return code
