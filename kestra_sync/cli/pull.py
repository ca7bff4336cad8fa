"""``kestra-sync pull``."""

from __future__ import annotations

from typing import Any

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    option,
    output_options,
    selection_options,
    settings_from,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.cli.show import show_plan
from kestra_sync.errors import ExitCode


@click.command("pull")
@source_options
@config_options
@selection_options
@option("--new", is_flag=True, help="Also write flows of the scope that Git does not have yet.")
@option(
    "--overwrite",
    is_flag=True,
    help="Also take the server's source of flows in conflict, and replace uncommitted changes.",
)
@option("--dry-run", is_flag=True, help="Only say what would be written.")
@connection_options
@output_options
def command(
    *,
    new: bool,
    overwrite: bool,
    dry_run: bool,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: Any,
) -> ExitCode:
    """Take changes made on the server into the files in PATHS (default: flows).

    Compares three ways, as plan does. A flow that changed only on the server gets the server's
    source, byte for byte: an edit made in the UI becomes a change to review in Git. What changed
    only in Git is left alone. What changed on both sides is a conflict (exit code 5), and so is a
    file with uncommitted changes: nothing is written for it, unless you pass --overwrite. With
    --new the flows that only the server has are written too, which turns a server into a
    repository. Nothing is written to the server, and no file is deleted.
    """
    from kestra_sync.commands.pull import pull
    from kestra_sync.report.as_json import diagnostics_json
    from kestra_sync.report.diagnostics import diagnostic_lines
    from kestra_sync.report.pull_text import pull_lines

    output = Output.of("pull", output_format=output_format, color=color, verbose=verbose)
    observer = output.observer()
    try:
        result = pull(
            settings_from(**settings),
            new=new,
            dry_run=dry_run,
            overwrite=overwrite,
            observer=observer,
        )
    finally:
        observer.end()
    if result.planned.plan is None:
        show_plan(output, result.planned, context=2)
    else:
        output.text(pull_lines(result.flows, dry_run=dry_run))
        output.message(diagnostic_lines(result.left))
    output.result(
        result.exit_code,
        {
            "dry_run": dry_run,
            "flows": [
                {
                    "flow": {"namespace": each.flow_id.namespace, "id": each.flow_id.id},
                    "path": each.path,
                    "result": str(each.pulled),
                    "reason": each.reason,
                }
                for each in result.flows
            ],
            "diagnostics": diagnostics_json(result.left),
        },
    )
    return result.exit_code
