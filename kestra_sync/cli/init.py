"""``kestra-sync init``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import option, output_options, scope_options
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import line


@click.command("init")
@click.argument("paths", nargs=-1, type=str)
@option(
    "--name", metavar="NAME", help="Name of the inventory. Default: the name of the repository."
)
@scope_options
@output_options
def command(
    *,
    paths: tuple[str, ...],
    name: str | None,
    namespaces: tuple[str, ...],
    output_format: str,
    color: str,
    verbose: bool,
) -> ExitCode:
    """Write a kestra-sync.yaml for the flows in PATHS (default: flows).

    With a configuration, kestra-sync keeps an inventory of applied flows on the server: it can
    detect drift, and delete flows that were removed from Git.
    """
    from kestra_sync.commands.init import init

    output = Output.of("init", output_format=output_format, color=color, verbose=verbose)
    text = init(paths or ("flows",), name=name, namespaces=namespaces)
    output.text([line("Wrote kestra-sync.yaml:"), line(), *map(line, text.splitlines())])
    output.result(ExitCode.OK, {"path": "kestra-sync.yaml", "text": text})
    return ExitCode.OK
