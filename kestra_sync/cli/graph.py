"""``kestra-sync graph``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    option,
    settings_from,
    settings_options,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.cli.reports import parse_outputs, worse, write_output
from kestra_sync.cli.streams import for_stream
from kestra_sync.errors import ExitCode
from kestra_sync.report.diagnostics import diagnostic_lines
from kestra_sync.report.lines import line

if TYPE_CHECKING:
    from kestra_sync.commands.graph import GraphResult

_FORMATS = ("text", "mermaid", "dot", "svg", "json")


@click.command("graph")
@source_options
@settings_options("graph")
@config_options
@option("--offline", is_flag=True, help="Send no requests to the server; changes are not marked.")
@option(
    "--format",
    "output_format",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="Format of stdout.",
)
@option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help="Also write the graph to a file; repeatable.",
)
@option("-v", "--verbose", is_flag=True, help="Verbose: log every request.")
@connection_options
def command(
    *,
    offline: bool,
    output_format: str,
    outputs: tuple[str, ...],
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Show the dependency graph of the flows in PATHS (default: flows).

    With a server, flows that an apply would change are marked. Subflow and ForEachItem tasks are
    drawn as solid lines, flow triggers as dashed lines. --only and --exclude select flows; flows
    that they refer to, or that refer to them, are shown as well.
    """
    from kestra_sync.client.places import has_url
    from kestra_sync.commands.graph import graph

    output = Output.of("graph", output_format=output_format, color="auto", verbose=verbose)
    requests = parse_outputs(outputs, output_format, _FORMATS)
    resolved = settings_from(offline=offline, **settings)
    offline = offline or not has_url(resolved.connection.url, resolved.connection.env_file)
    observer = output.observer()
    try:
        result = graph(resolved, offline=offline, observer=observer)
    finally:
        observer.end()
    problems = [
        problem
        for each in requests
        if (problem := write_output(each, drawing(each.format, result)))
    ]
    sys.stdout.write(for_stream(drawing(output_format, result), sys.stdout, output_format))
    sys.stdout.flush()
    if not output.json:
        output.message(diagnostic_lines(result.diagnostics))
    output.message(line(f"kestra-sync: error: {problem}") for problem in problems)
    return worse(result.exit_code, problems)


def drawing(name: str, result: GraphResult) -> str:
    """The graph in the format of that name."""
    if name == "mermaid":
        from kestra_sync.report.graph_mermaid import mermaid

        return mermaid(result.graph)
    if name == "dot":
        from kestra_sync.report.graph_dot import dot

        return dot(result.graph)
    if name == "svg":
        from kestra_sync.report.graph_svg import svg

        return svg(result.graph)
    from kestra_sync.report.graph_text import graph_json, graph_lines

    if name == "text":
        return "".join(f"{each.text}\n" for each in graph_lines(result.graph))
    from kestra_sync.report.as_json import diagnostics_json, repository_json
    from kestra_sync.report.envelope import dump, envelope

    body = {
        "server": result.server,
        **repository_json(result.repository),
        **graph_json(result.graph),
        "diagnostics": diagnostics_json(result.diagnostics),
    }
    return dump(envelope("graph", result.exit_code, body))
