"""``kestra-sync pull``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    option,
    output_options,
    settings_from,
    settings_options,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("pull")
@source_options
@config_options
@settings_options("pull")
@option(
    "--new",
    is_flag=True,
    help="Also write flows, files and keys of the managed namespaces that are not in Git yet.",
)
@option(
    "--kv-values",
    is_flag=True,
    help="With --new, write the values of keys to files, in plain text. Secrets that Git already "
    "takes from the environment are left out.",
)
@option(
    "--overwrite",
    is_flag=True,
    help="Also overwrite the files of flows in conflict, and files with uncommitted changes.",
)
@option("--dry-run", is_flag=True, help="Show what would be written, without writing it.")
@connection_options
@output_options
def command(
    *,
    new: bool,
    kv_values: bool,
    overwrite: bool,
    dry_run: bool,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Write changes made on the server to the files in PATHS (default: flows).

    Uses the same three-way comparison as plan. If a flow changed only on the server, its source is
    written to the file, byte for byte: an edit made in the UI becomes a change to review in Git. If
    it changed only in Git, its file is left alone. If it changed on both sides, or its file has
    uncommitted changes, it is a conflict (exit code 5), and its file is only written with
    --overwrite. With --new, flows that exist only on the server are written as well, which turns a
    server into a repository. The same applies to namespace files and keys, if configured; keys
    that Git takes from the environment are left out. Writes nothing to the server and deletes
    no files.
    """
    from kestra_sync.commands.pull import pull
    from kestra_sync.report.as_json import diagnostics_json, name_json
    from kestra_sync.report.diagnostics import diagnostic_lines
    from kestra_sync.report.plan_text import plan_sections
    from kestra_sync.report.pull_text import pull_lines

    output = Output.of("pull", output_format=output_format, color=color, verbose=verbose)
    observer = output.observer()
    try:
        result = pull(
            settings_from(**settings),
            new=new,
            dry_run=dry_run,
            overwrite=overwrite,
            kv_values=kv_values,
            observer=observer,
        )
    finally:
        observer.end()
    if result.planned.plan is None:
        output.show(plan_sections(result.planned, context=2, verbose=verbose))
    else:
        output.text(pull_lines(result.flows, dry_run=dry_run))
        output.message(diagnostic_lines(result.left))
    output.result(
        result.exit_code,
        {
            "dry_run": dry_run,
            "flows": [
                {
                    "flow": name_json(each.flow_id),
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
