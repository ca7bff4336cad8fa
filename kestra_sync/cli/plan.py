"""``kestra-sync plan``."""

from __future__ import annotations

from typing import Any

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    diff_options,
    empty_option,
    guard_options,
    option,
    report_options,
    rule_options,
    selection_options,
    settings_from,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import line


@click.command("plan")
@source_options
@empty_option
@config_options
@selection_options
@rule_options
@guard_options
@option("--out", metavar="FILE", help="Save the plan to FILE, for 'apply --plan FILE'.")
@option("--detailed-exitcode", is_flag=True, help="Exit with code 2 if there are changes.")
@diff_options
@connection_options
@report_options
def command(
    *,
    out: str | None,
    detailed_exitcode: bool,
    detail: str,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: Any,
) -> ExitCode:
    """Show what apply would do to the server with the flows in PATHS (default: flows).

    Writes nothing. Exits with code 3 if a flow that would be written is invalid.
    """
    from kestra_sync.cli.invocation import to_save
    from kestra_sync.commands.plan import plan, save_plan
    from kestra_sync.report.collect import of_plan, plan_sections
    from kestra_sync.report.diff_text import DIFF_LINES

    output = Output.of(
        "plan", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    asked = settings_from(**settings)
    observer = output.observer()
    try:
        result = plan(asked, observer=observer)
    finally:
        observer.end()
    code = result.exit_code(detailed=detailed_exitcode)
    report = of_plan(result, code, context=context, verbose=verbose, environment=asked.environment)
    output.show(
        plan_sections(result, context=context, verbose=verbose, detail=detail, limit=DIFF_LINES)
    )
    if out is not None:
        output.message(map(line, save_plan(result, out, to_save())))
    return output.report(report)
