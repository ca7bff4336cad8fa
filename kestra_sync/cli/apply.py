"""``kestra-sync apply``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.ask import ask
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
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.report.lines import question
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from kestra_sync.commands.apply import ApplyResult
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.report.report import Report
    from kestra_sync.settings import Settings


@click.command("apply")
@source_options
@settings_options("apply")
@environments_options
@option(
    "--dry-run",
    is_flag=True,
    help="Show the plan, without writing anything; same as the plan command.",
)
@option(
    "-y", "--yes", is_flag=True, help="Skip the confirmation prompt; required without a terminal."
)
@option(
    "--keep-going",
    is_flag=True,
    help="With several environments, continue with the next one after a failure.",
)
@option(
    "--plan",
    "saved_plan",
    metavar="FILE",
    help="Apply this saved plan; fail if the current plan differs. With several environments, "
    "plan-{environment}.json.",
)
@option("--expect-digest", metavar="SHA256", help="Fail unless the plan has this digest.")
@option(
    "--smoke",
    is_flag=True,
    help="Run the smoke tests of the flows that were written; see docs/smoke.md.",
)
@option(
    "--rollback",
    is_flag=True,
    help="Revert everything that was written if a write or a smoke test fails.",
)
@option(
    "--verify-triggers",
    is_flag=True,
    help="Fail if triggers differ from Git after the apply; waits for runs that are due soon.",
)
@option(
    "--refresh-only",
    is_flag=True,
    help="Only add flows that are in sync to the inventory; write no flows.",
)
@option("--journal", metavar="FILE", help="Append a line to FILE for every write.")
@diff_options
@connection_options
@report_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    dry_run: bool,
    yes: bool,
    keep_going: bool,
    saved_plan: str | None,
    expect_digest: str | None,
    smoke: bool,
    rollback: bool,
    verify_triggers: bool,
    refresh_only: bool,
    journal: str | None,
    detail: str,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Apply the flows in PATHS (default: flows) to the server.

    Validates everything before the first write, shows the plan, and asks for confirmation. Several
    environments are applied one after the other, in the order given; the run stops at the first
    failure.
    """
    if dry_run:
        return _dry_run(ctx)
    from kestra_sync.commands.apply import apply
    from kestra_sync.report.apply_text import applied_sections
    from kestra_sync.report.plan_text import DIFF_LINES, plan_sections
    from kestra_sync.settings import ApplyOptions

    output = Output.of(
        "apply", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    observer = output.observer()
    smoke_observer = None
    if smoke:
        from kestra_sync.cli.smoke_progress import smoke_progress

        smoke_observer = smoke_progress(output)

    def confirm(planned: PlanResult) -> bool:
        observer.end()
        changes = planned.exit_code(detailed=True) is ExitCode.CHANGES and _asks(planned)
        agreed = yes or refresh_only or saved_plan is not None or not changes
        # Before a question nothing is cut.
        cut = DIFF_LINES if agreed else None
        output.show(
            plan_sections(
                planned,
                context=context,
                verbose=verbose,
                detail=detail,
                limit=cut,
                width=output.width,
            )
        )
        return agreed or _ask(planned)

    def carry_out(asked: Settings, file: str | None) -> ApplyResult:
        try:
            return apply(
                asked,
                confirm,
                options=ApplyOptions(
                    saved_plan=file,
                    expect_digest=expect_digest,
                    rollback=rollback,
                    refresh_only=refresh_only,
                    journal=journal,
                    smoke=smoke,
                    verify_triggers=verify_triggers,
                    unattended=yes or file is not None,
                ),
                observer=observer,
                smoke_observer=smoke_observer,
            )
        finally:
            observer.end()

    def tell(result: ApplyResult) -> None:
        if result.planned.plan is None:  # there was nothing to confirm
            output.show(plan_sections(result.planned, context=context, verbose=verbose))
        output.show(applied_sections(result))

    def report_of(result: ApplyResult, environment: str | None) -> Report:
        from kestra_sync.report.collect import of_apply

        return of_apply(result, context=context, verbose=verbose, environment=environment)

    single = for_one_environment(settings)
    if single is None:
        from kestra_sync.cli import several

        names = several.names_of(settings)
        files = {name: several.file_of(saved_plan, "--plan", name) for name in names}
        if expect_digest is not None:
            raise UsageError(
                "--expect-digest is the digest of the plan of one environment",
                remedy="run apply for each environment, or use --plan",
            )
        several.check_connections(names, settings)

        def one(name: str) -> Report:
            file = files[name]
            given = settings if file is None else _with_saved(settings, file)
            result = carry_out(several.settings_of(given, name), file)
            output.decided(result.exit_code, lambda: tell(result))
            return report_of(result, name)

        return several.one_after_another(output, names, one, keep_going=keep_going)
    if saved_plan is not None:
        single = for_one_environment(_with_saved(settings, saved_plan))
        assert single is not None
    asked = settings_from(**single)
    result = carry_out(asked, saved_plan)

    def report() -> ExitCode:
        if not output.reports:
            return result.exit_code
        return output.report(report_of(result, asked.environment))

    written = result.done.outcomes or result.done.recorded or result.triggers
    if written or result.smoke is not None:
        return output.decided(result.exit_code, lambda: tell(result), report)
    tell(result)
    return report()


def _with_saved(settings: Mapping[str, object], path: str) -> dict[str, object]:
    """The options with those that shaped a saved plan."""
    from kestra_sync.cli.invocation import with_saved
    from kestra_sync.plan.saved import load_saved

    return with_saved(settings, load_saved(path).options)


def _asks(planned: PlanResult) -> bool:
    """Whether to ask for confirmation: adopting equal flows changes nothing on the server."""
    plan = planned.plan
    return plan is not None and bool(
        plan.writes
        or planned.enabling
        or any(each.kind in ("move", "bind", "strike") for each in plan.record)
    )


def _dry_run(ctx: click.Context) -> ExitCode:
    """Run ``plan`` with the options that it shares."""
    from kestra_sync.cli.plan import command as plan

    known = {each.name for each in plan.params}
    shared = {name: value for name, value in ctx.params.items() if name in known}
    code: ExitCode = ctx.invoke(plan, **shared)
    return code


def _ask(planned: PlanResult) -> bool:
    """Ask the person at the terminal.

    :raises UsageError: stdin is not a terminal.
    """
    assert planned.plan is not None
    enabling = [f"{len(planned.enabling):,} triggers to enable"] if planned.enabling else []
    return ask(visible(question(planned.plan, enabling)))
