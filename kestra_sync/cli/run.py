"""``kestra-sync run``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from kestra_sync.cli.options import option, output_options, settings_from
from kestra_sync.cli.output import Output
from kestra_sync.cli.server_options import server_options
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.report.lines import line

if TYPE_CHECKING:
    from kestra_sync.commands.run_flow import Hears
    from kestra_sync.kestra.execution import Execution


@click.command("run")
@click.argument("flow", metavar="NAMESPACE/ID")
@option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input; NAME=@FILE sends a file, @@ stands for a plain @. Repeat for several. Secrets "
    "are better kept in Kestra: what is typed can be seen by others.",
)
@option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label; repeatable.")
@option("--revision", type=click.IntRange(min=1), metavar="N", help="Not the newest revision.")
@option("--schedule-date", metavar="TIME", help="When to start it, such as 2030-01-31T08:00:00Z.")
@option(
    "--breakpoint",
    "breakpoints",
    multiple=True,
    metavar="TASK",
    help="Halt before this task; repeatable.",
)
@option(
    "--kind",
    type=click.Choice(["NORMAL", "TEST", "PLAYGROUND"]),
    help="TEST and PLAYGROUND stay out of the normal lists of the UI.",
)
@option("--no-wait", is_flag=True, help="Start it, and do not wait for its end.")
@option("--follow", is_flag=True, help="Show what it logs while it runs, on stderr.")
@option(
    "--timeout",
    envvar="KESTRA_SYNC_RUN_TIMEOUT",
    metavar="DURATION",
    help="How long to wait for its end, such as 5m; it goes on after that. Default: for ever.",
)
@server_options("timeout")
@output_options
def command(
    *,
    flow: str,
    no_wait: bool,
    follow: bool,
    timeout: str | None,
    inputs: tuple[str, ...],
    labels: tuple[str, ...],
    revision: int | None,
    schedule_date: str | None,
    breakpoints: tuple[str, ...],
    kind: str | None,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: Any,
) -> ExitCode:
    """Execute the flow NAMESPACE/ID on the server, and wait for its end.

    Exit code 0 if it ends in SUCCESS or WARNING, and with --no-wait if it was started; 1 if it
    ends otherwise or not in time. Interrupting does not stop the execution.
    """
    from kestra_sync.commands.run_flow import order_from, run_flow
    from kestra_sync.report.execution_json import ran_json
    from kestra_sync.report.execution_text import ran_lines

    if no_wait and (follow or timeout):
        raise UsageError("--no-wait goes neither with --follow nor with --timeout")
    output = Output.of("run", output_format=output_format, color=color, verbose=verbose)
    order = order_from(
        flow,
        inputs=inputs,
        labels=labels,
        revision=revision,
        schedule_date=schedule_date,
        breakpoints=breakpoints,
        kind=kind,
    )
    observer = output.observer()
    try:
        ran = run_flow(
            settings_from(**settings),
            order,
            waits=not no_wait,
            timeout=timeout,
            hears=_hears(output, follow=follow, on_change=observer.stage),
        )
    finally:
        observer.end()
    output.text(ran_lines(ran))
    output.result(ran.exit_code, ran_json(ran))
    return ran.exit_code


def _hears(output: Output, *, follow: bool, on_change: Any) -> Hears:
    from kestra_sync.commands.run_flow import Hears
    from kestra_sync.report.execution_text import log_line_text

    def started(execution: Execution, url: str) -> None:
        output.message([line(f"started {execution.id}   {url}")])

    if not follow:
        return Hears(started, on_change)
    # A spinner and a log would write over each other.
    coloured = output.coloured(sys.stderr)
    return Hears(
        started, logged=lambda each: output.message([log_line_text(each, colour=coloured)])
    )
