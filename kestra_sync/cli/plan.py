"""``kestra-sync plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kestra_sync.cli.options import (
    connection_options,
    diff_options,
    environments_options,
    for_one_environment,
    option,
    report_options,
    settings_from,
    settings_options,
    source_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import line

if TYPE_CHECKING:
    from kestra_sync.report.report import Report


@click.command("plan")
@source_options
@settings_options("plan")
@environments_options
@option(
    "--out",
    metavar="FILE",
    help="Save the plan to FILE, for 'apply --plan FILE'; with several environments, one file for "
    "each: plan-{environment}.json.",
)
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
    **settings: object,
) -> ExitCode:
    """Show what apply would do to the server with the flows in PATHS (default: flows).

    Writes nothing. Exits with code 3 if a flow that would be written is invalid. Several
    environments are planned in parallel and shown in the order given.
    """
    from kestra_sync.cli.invocation import to_save
    from kestra_sync.commands.plan import PlanResult, plan, save_plan
    from kestra_sync.report.plan_text import DIFF_LINES, plan_sections

    output = Output.of(
        "plan", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )

    def show(environment: str | None, result: PlanResult, file: str | None) -> ExitCode:
        output.show(
            plan_sections(
                result,
                context=context,
                verbose=verbose,
                detail=detail,
                limit=DIFF_LINES,
                width=output.width,
            )
        )
        if file is not None:
            output.message(map(line, save_plan(result, file, to_save(environment))))
        return result.exit_code(detailed=detailed_exitcode)

    def report_of(environment: str | None, result: PlanResult, code: ExitCode) -> Report:
        from kestra_sync.report.collect import of_plan

        return of_plan(result, code, context=context, verbose=verbose, environment=environment)

    single = for_one_environment(settings)
    if single is None:
        from kestra_sync.cli.several import file_of, names_of, settings_of, side_by_side

        names = names_of(settings)
        files = {name: file_of(out, "--out", name) for name in names}
        return side_by_side(
            output,
            names,
            lambda name, observer: plan(settings_of(settings, name), observer=observer),
            lambda name, result: report_of(name, result, show(name, result, files[name])),
        )
    resolved = settings_from(**single)
    observer = output.observer()
    try:
        result = plan(resolved, observer=observer)
    finally:
        observer.end()
    code = show(resolved.environment, result, out)
    return output.report(report_of(resolved.environment, result, code)) if output.reports else code
