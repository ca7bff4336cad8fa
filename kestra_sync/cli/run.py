"""``kestra-sync run``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.options import option, output_options, server_options, settings_from
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.report.lines import line

if TYPE_CHECKING:
    from kestra_sync.client.execution import Execution
    from kestra_sync.commands.run_flow import Listener


@click.command("run")
@click.argument("flow", metavar="NAMESPACE/ID")
@option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Input of the flow; repeatable. NAME=@FILE sends a file, NAME=@@TEXT the text @TEXT. "
    "Keep secrets in Kestra: command lines are visible to other users.",
)
@option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    help="Label of the execution; repeatable.",
)
@option(
    "--revision", type=click.IntRange(min=1), metavar="N", help="Revision to run (default: latest)."
)
@option(
    "--schedule-date",
    metavar="TIME",
    help="When to start the execution, such as 2030-01-31T08:00:00Z.",
)
@option(
    "--breakpoint",
    "breakpoints",
    multiple=True,
    metavar="TASK",
    help="Suspend the execution before this task; repeatable.",
)
@option(
    "--kind",
    type=click.Choice(["NORMAL", "TEST", "PLAYGROUND"]),
    help="Kind of execution; TEST and PLAYGROUND are hidden from the default lists of the UI.",
)
@option("--no-wait", is_flag=True, help="Start the execution without waiting for it to finish.")
@option("--follow", is_flag=True, help="Stream its logs to stderr.")
@option(
    "--timeout",
    envvar="KESTRA_SYNC_RUN_TIMEOUT",
    metavar="DURATION",
    help="How long to wait for it to finish, such as 5m; it keeps running afterwards. Default: no "
    "limit.",
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
    **settings: object,
) -> ExitCode:
    """Run the flow NAMESPACE/ID and wait for it to finish.

    Exits with code 0 if the execution ends in SUCCESS or WARNING, and with code 1 if it ends in
    another state or times out. With --no-wait, exits with code 0 once the execution has started.
    Interrupting the command does not stop the execution.
    """
    from kestra_sync.commands.run_flow import order_from, run_flow
    from kestra_sync.report.execution_json import ran_json
    from kestra_sync.report.execution_text import ran_lines

    if no_wait and (follow or timeout):
        raise UsageError("--no-wait cannot be combined with --follow or --timeout")
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
            listener=_listener(output, follow=follow, on_change=observer.stage),
        )
    finally:
        observer.end()
    output.text(ran_lines(ran))
    output.result(ran.exit_code, ran_json(ran))
    return ran.exit_code


def _listener(output: Output, *, follow: bool, on_change: Callable[[str], None]) -> Listener:
    from kestra_sync.commands.run_flow import Listener
    from kestra_sync.report.execution_text import log_line_text

    def started(execution: Execution, url: str) -> None:
        output.message([line(f"started {execution.id}   {url}")])

    if not follow:
        return Listener(started, on_change)
    # A spinner and a log would write over each other.
    coloured = output.coloured(sys.stderr)
    return Listener(
        started, logged=lambda each: output.message([log_line_text(each, colour=coloured)])
    )
