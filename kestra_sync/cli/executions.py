"""``kestra-sync executions``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import option, output_options, server_options, settings_from
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.group("executions")
def command() -> None:
    """Manage executions."""


@command.command("delete")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@option("--keep-logs", is_flag=True, help="Keep their logs.")
@option("--keep-metrics", is_flag=True, help="Keep their metrics.")
@option("--keep-storage", is_flag=True, help="Keep their files.")
@server_options()
@output_options
def delete(
    *,
    ids: tuple[str, ...],
    keep_logs: bool,
    keep_metrics: bool,
    keep_storage: bool,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Delete executions, including their logs, metrics and files.

    Exits with code 1 if any of them could not be deleted; the others are deleted anyway.
    """
    from kestra_sync.commands.executions import delete_executions
    from kestra_sync.report.execution_json import deleted_json
    from kestra_sync.report.execution_text import deleted_lines

    output = Output.of(
        "executions delete", output_format=output_format, color=color, verbose=verbose
    )
    deleted = delete_executions(
        settings_from(**settings),
        ids,
        keep_logs=keep_logs,
        keep_metrics=keep_metrics,
        keep_storage=keep_storage,
    )
    output.text(deleted_lines(deleted.problems))
    output.result(deleted.exit_code, deleted_json(deleted.problems))
    return deleted.exit_code
