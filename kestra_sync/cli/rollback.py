"""``kestra-sync rollback``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.ask import ask
from kestra_sync.cli.options import (
    config_options,
    connection_options,
    diff_options,
    option,
    report_options,
    scope_options,
    settings_from,
    settings_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import question
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from kestra_sync.commands.plan import PlanResult


@click.command("rollback")
@option(
    "--to",
    metavar="RUN",
    default="last",
    show_default=True,
    help="Run to restore: a number from 'kestra-sync history', or last, the run before the most"
    " recent one.",
)
@scope_options
@config_options
@settings_options("rollback")
@option(
    "--partial",
    "in_part",
    is_flag=True,
    help="Restore what is possible if the server no longer has every revision.",
)
@option("--dry-run", is_flag=True, help="Show the plan, without writing anything.")
@option(
    "-y", "--yes", is_flag=True, help="Skip the confirmation prompt; required without a terminal."
)
@diff_options
@connection_options
@report_options
def command(
    *,
    to: str,
    in_part: bool,
    dry_run: bool,
    yes: bool,
    detail: str,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Restore the state of the server after an earlier run.

    Reverts what later runs wrote, using the revisions kept by the server. Shows the plan, including
    what cannot be restored, and asks for confirmation. Later edits by others are left alone. Git is
    not changed: the next apply deploys it again.
    """
    from kestra_sync.commands.apply import apply
    from kestra_sync.commands.rollback import make_rollback
    from kestra_sync.report.apply_text import applied_sections
    from kestra_sync.report.collect import of_apply
    from kestra_sync.report.plan_text import DIFF_LINES, plan_sections
    from kestra_sync.settings import ApplyOptions

    output = Output.of(
        "rollback", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    resolved = replace(settings_from(**settings), allow_empty=True)
    observer = output.observer()

    def confirm(planned: PlanResult) -> bool:
        observer.end()
        asks = planned.exit_code(detailed=True) is ExitCode.CHANGES and not (yes or dry_run)
        cut = None if asks else DIFF_LINES
        output.show(
            plan_sections(planned, context=context, verbose=verbose, detail=detail, limit=cut)
        )
        if dry_run:
            return False
        assert planned.plan is not None
        return not asks or ask(visible(question(planned.plan)))

    try:
        result = apply(
            resolved,
            confirm,
            options=ApplyOptions(unattended=yes and not dry_run),
            observer=observer,
            planner=partial(make_rollback, to=to, in_part=in_part),
        )
    finally:
        observer.end()
    if dry_run:
        result = replace(result, declined=False)
    report = of_apply(
        result,
        context=context,
        verbose=verbose,
        environment=resolved.environment,
        command="rollback",
    )
    return output.report_outcome(
        result.exit_code,
        lambda: output.show(applied_sections(result)),
        lambda: output.report(report),
    )
