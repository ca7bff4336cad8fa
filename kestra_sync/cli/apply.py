"""``kestra-sync apply``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

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
from kestra_sync.settings import ApplyOptions

if TYPE_CHECKING:
    from kestra_sync.commands.apply import ApplyResult
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.observer import Observer
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
    output = Output.of(
        "apply", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    options = ApplyOptions(
        saved_plan=saved_plan,
        expect_digest=expect_digest,
        rollback=rollback,
        refresh_only=refresh_only,
        journal=journal,
        smoke=smoke,
        verify_triggers=verify_triggers,
    )
    observer, smoke_observer = output.observer(), None
    if smoke:
        from kestra_sync.cli.smoke_progress import smoke_progress

        smoke_observer = smoke_progress(output)
    shown = _Shown(detail, context, verbose)
    runs = _Runs(output, observer, smoke_observer, options, shown, yes=yes)
    single = for_one_environment(settings)
    if single is None:
        return _several(runs, settings, keep_going=keep_going)
    if saved_plan is not None:
        single = for_one_environment(_with_saved(settings, saved_plan))
        assert single is not None
    resolved = settings_from(**single)
    result = runs.apply(resolved, saved_plan)

    def report() -> ExitCode:
        if not output.reports:
            return result.exit_code
        return output.report(runs.report(result, resolved.environment))

    written = result.done.outcomes or result.done.recorded or result.triggers
    if written or result.smoke is not None:
        return output.report_outcome(result.exit_code, lambda: runs.show_result(result), report)
    runs.show_result(result)
    return report()


class _Shown(NamedTuple):
    """How plans are shown."""

    detail: str
    context: int
    verbose: bool


@dataclass(frozen=True)
class _Runs:
    """What the applies of one command line share: what they ask and show.

    :param options: with the saved plan as it was given, for several environments perhaps.
    :param yes: do not ask for confirmation.
    """

    output: Output
    observer: Observer
    smoke_observer: Observer | None
    options: ApplyOptions
    shown: _Shown
    yes: bool

    def apply(self, settings: Settings, saved_plan: str | None) -> ApplyResult:
        """Apply to one environment.

        :param saved_plan: its file.
        """
        from kestra_sync.commands.apply import apply

        unattended = self.yes or saved_plan is not None
        try:
            return apply(
                settings,
                self._confirm,
                options=replace(self.options, saved_plan=saved_plan, unattended=unattended),
                observer=self.observer,
                smoke_observer=self.smoke_observer,
            )
        finally:
            self.observer.end()

    def _confirm(self, planned: PlanResult) -> bool:
        """Show the plan, and ask unless there is nothing to ask."""
        from kestra_sync.report.plan_text import DIFF_LINES, plan_sections

        self.observer.end()
        changes = planned.exit_code(detailed=True) is ExitCode.CHANGES and _asks(planned)
        settled = self.yes or self.options.refresh_only or self.options.saved_plan is not None
        agreed = settled or not changes
        self.output.show(
            plan_sections(
                planned,
                context=self.shown.context,
                verbose=self.shown.verbose,
                detail=self.shown.detail,
                limit=DIFF_LINES if agreed else None,  # before a question nothing is cut
                width=self.output.width,
            )
        )
        return agreed or _ask(planned)

    def show_result(self, result: ApplyResult) -> None:
        """Show what was done, and the plan if there was none to confirm."""
        from kestra_sync.report.apply_text import applied_sections
        from kestra_sync.report.plan_text import plan_sections

        if result.planned.plan is None:
            context, verbose = self.shown.context, self.shown.verbose
            self.output.show(plan_sections(result.planned, context=context, verbose=verbose))
        self.output.show(applied_sections(result))

    def report(self, result: ApplyResult, environment: str | None) -> Report:
        """The result as a report."""
        from kestra_sync.report.collect import of_apply

        context, verbose = self.shown.context, self.shown.verbose
        return of_apply(result, context=context, verbose=verbose, environment=environment)


def _several(runs: _Runs, settings: Mapping[str, object], *, keep_going: bool) -> ExitCode:
    """Apply to several environments, one after the other.

    :param settings: the shared options.
    :param keep_going: also after one that failed.
    """
    from kestra_sync.cli import several

    saved_plan = runs.options.saved_plan
    names = several.names_of(settings)
    files = {name: several.file_of(saved_plan, "--plan", name) for name in names}
    if runs.options.expect_digest is not None:
        raise UsageError(
            "--expect-digest is the digest of the plan of one environment",
            remedy="run apply for each environment, or use --plan",
        )
    several.check_connections(names, settings)

    def one(name: str) -> Report:
        file = files[name]
        given = settings if file is None else _with_saved(settings, file)
        result = runs.apply(several.settings_of(given, name), file)
        runs.output.report_outcome(result.exit_code, lambda: runs.show_result(result))
        return runs.report(result, name)

    return several.one_after_another(runs.output, names, one, keep_going=keep_going)


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
