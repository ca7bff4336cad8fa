"""``apply``: create a plan, have it confirmed, apply it, verify the result, record it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import connect
from kestra_sync.commands.plan import PlanResult, check_something, make_plan
from kestra_sync.errors import ConflictError, ExitCode
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.apply.outcome import Outcome
    from kestra_sync.apply.rollback import Restored
    from kestra_sync.client.client import KestraClient
    from kestra_sync.smoke.result import SmokeResult

#: Shown the plan before anything is written; false keeps it from being carried out.
Confirm = Callable[[PlanResult], bool]


@dataclass(frozen=True)
class ApplyOptions:
    """How to carry a plan out.

    :param saved_plan: a plan file; the fresh plan must be the same one.
    :param expect_digest: the digest that the fresh plan must have.
    :param rollback: roll back what was written if not everything could be written.
    :param refresh_only: only bring the record up to date; write no flow.
    :param journal: a file that gets a line for each write.
    :param smoke: run the smoke tests of what was written, and take it back if they fail and
        ``rollback`` is set.
    """

    saved_plan: str | None = None
    expect_digest: str | None = None
    rollback: bool = False
    refresh_only: bool = False
    journal: str | None = None
    smoke: bool = False


@dataclass(frozen=True)
class ApplyResult:
    """A plan and what became of it.

    :param outcomes: one for each write of the plan; empty if nothing was attempted.
    :param restored: what was rolled back after a failure, and what could not be.
    :param declined: the confirmation was declined.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    :param notes: what else has to be said, such as a record that could not be stored.
    :param incomplete: something other than a flow could not be written: the record.
    :param smoke: what the smoke tests say; ``None`` if none was run.
    :param red: the smoke tests failed: one has failed, or running them crashed.
    :param recorded: what was recorded beside the writes, a sentence each.
    """

    planned: PlanResult
    outcomes: tuple[Outcome, ...] = ()
    restored: tuple[Restored, ...] = ()
    declined: bool = False
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    incomplete: bool = False
    smoke: SmokeResult | None = None
    red: bool = False
    recorded: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """As documented in ``docs/exit-codes.md``."""
        from kestra_sync.apply.outcome import exit_code
        from kestra_sync.apply.rollback import rollback_code

        if self.interrupted:
            return ExitCode.INTERRUPTED
        refused = self.planned.exit_code(detailed=False)
        if refused is not ExitCode.OK:
            return refused
        if self.declined:
            return ExitCode.FAILURE
        red = self.red or (self.smoke is not None and self.smoke.red)
        if self.restored:
            code = rollback_code(self.restored, ExitCode.SMOKE_FAILED if red else ExitCode.FAILURE)
        else:
            code = exit_code(self.outcomes)
            if red and code is ExitCode.OK:
                code = ExitCode.SMOKE_FAILED
        half = code in (ExitCode.OK, ExitCode.SMOKE_FAILED) or bool(self.restored)
        return ExitCode.PARTIAL if half and self.incomplete else code


def apply(
    settings: Settings,
    confirm: Confirm,
    *,
    options: ApplyOptions | None = None,
    observer: Observer = SILENT,
    smoke_observer: Observer | None = None,
) -> ApplyResult:
    """Make a plan and carry it out.

    Nothing is written if any file is invalid, if a guard refuses, or if ``confirm`` says no.

    :param smoke_observer: is notified of the smoke tests, instead of ``observer``.
    :raises UsageError: for paths, options or connection settings that make no sense.
    :raises RefusedError: if the inventory is another repository's, or cannot be used.
    :raises ConflictError: if the plan is not the saved one, or another apply is running.
    :raises KestraError: if the server cannot be read, or the intent cannot be recorded. Failed
        writes are outcomes, not exceptions.
    """
    from kestra_sync.plan.saved import load_saved

    options = options or ApplyOptions()
    saved = load_saved(options.saved_plan) if options.saved_plan else None
    with connect(settings.connection, settings.parallelism) as client:
        planned = make_plan(settings, client, observer=observer)
        check_something(planned, settings)
        if options.rollback:
            planned = _with_what_stays(client, planned)
        smoke = None
        if options.smoke:
            from kestra_sync.commands.apply_smoke import SmokeAfter

            smoke = SmokeAfter(client, settings, smoke_observer or observer)
            planned = smoke.checked(planned)
        if planned.plan is None:
            return ApplyResult(planned)
        if options.refresh_only:
            planned = planned.writing_nothing()
        plan = planned.plan
        assert plan is not None
        confirmed = confirm(planned)
        reviewed = saved is not None or bool(options.expect_digest)
        met = {each.rule for each in planned.refusals} == {"first-contact"} and not planned.invalid
        if reviewed and met:
            # The flow was created since: the list of changes is more helpful than its owner.
            _same_plan(planned, saved, options.expect_digest)
        if planned.exit_code(detailed=False) is not ExitCode.OK:
            return ApplyResult(planned)
        if reviewed:
            _same_plan(planned, saved, options.expect_digest)
        if plan.changes_anything and not confirmed and not options.refresh_only:
            return ApplyResult(planned, declined=True)
        from kestra_sync.apply.carry_out import carry_out

        done = carry_out(
            client,
            plan,
            planned.ownership,
            settings,
            options,
            observer,
            smoke.prove(planned.desired) if smoke is not None else None,
        )
        return ApplyResult(
            planned,
            done.outcomes,
            done.restored,
            interrupted=done.interrupted,
            notes=done.notes,
            incomplete=done.incomplete,
            smoke=smoke.result if smoke is not None else None,
            red=done.red,
            recorded=done.recorded,
        )


def _with_what_stays(client: KestraClient, planned: PlanResult) -> PlanResult:
    """The plan with a warning for each flow that no rollback could restore."""
    if planned.plan is None or not client.server_info().can.strict_update:
        return planned
    from kestra_sync.checks.restorable import check_restorable

    found = (*planned.diagnostics, *check_restorable(client.flows, planned.plan.changes))
    return replace(planned, diagnostics=tuple(sorted(found, key=lambda each: each.sort_key)))


def _same_plan(planned: PlanResult, saved: object, expected: str | None) -> None:
    """Refuse a plan that is not the one that was reviewed.

    :raises ConflictError: with what moved, as far as that can be told.
    """
    from kestra_sync.plan.saved import SavedPlan, differences, freeze

    assert planned.plan is not None
    fresh = freeze(planned.plan)
    if isinstance(saved, SavedPlan) and saved.digest != fresh.digest:
        moved = "\n".join(f"  {each}" for each in differences(saved, fresh))
        raise ConflictError(
            f"the saved plan is stale:\n{moved}", remedy="create and review a new plan"
        )
    if expected and expected != fresh.digest:
        raise ConflictError(
            f"the plan is not the one that was reviewed: expected digest {expected}, but got "
            f"{fresh.digest}",
            remedy="review the plan above",
        )
