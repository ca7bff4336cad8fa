"""``kestra-sync render``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.options import (
    config_options,
    option,
    output_options,
    scope_options,
    settings_from,
    settings_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.cli.streams import for_stream
from kestra_sync.errors import ExitCode
from kestra_sync.model import plural
from kestra_sync.report.diagnostics import diagnostic_lines, skipped_lines
from kestra_sync.report.lines import line

if TYPE_CHECKING:
    from kestra_sync.commands.render import RenderResult


@click.command("render")
@click.argument("flows", nargs=-1, type=str, metavar="[FLOW]...")
@scope_options
@settings_options("render")
@config_options
@option("--out", metavar="DIR", help="Write the flows to files in DIR instead of stdout.")
@output_options
def command(
    *,
    flows: tuple[str, ...],
    out: str | None,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Show flows as they would be sent, without contacting a server.

    FLOW is a pattern such as acme.sales/import or acme.sales. It matches names as in the files or
    as on the server. A single flow is printed byte for byte.
    """
    from kestra_sync.commands.render import render_flows

    output = Output.of("render", output_format=output_format, color=color, verbose=verbose)
    resolved = replace(settings_from(offline=True, **settings), only=flows)
    result = render_flows(resolved, out=out)
    if output.json:
        from kestra_sync.report.as_json import render_json

        output.result(result.exit_code, render_json(result, resolved.environment))
        return result.exit_code
    output.message(skipped_lines(result.repository))
    output.message(diagnostic_lines(result.diagnostics))
    if out is not None:
        output.text([line(f"Wrote {plural(len(result.written), 'flow')} to {out}.")])
    else:
        _print(result, output)
    return result.exit_code


def _print(result: RenderResult, output: Output) -> None:
    if sys.stdout.isatty():
        for desired in result.desired:
            if len(result.desired) > 1:
                output.text([line("---")])
            output.text(map(line, desired.sent.decode("utf-8", "replace").splitlines()))
        return
    for desired in result.desired:
        text = desired.sent.decode("utf-8", "replace")
        if len(result.desired) > 1:
            text = f"---\n{text}" if text.endswith("\n") else f"---\n{text}\n"
        sys.stdout.write(for_stream(text, sys.stdout, "text"))
    sys.stdout.flush()
