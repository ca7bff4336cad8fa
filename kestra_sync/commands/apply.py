"""``apply``: make a plan, have it confirmed, carry it out, look at the result, record it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import connect
from kestra_sync.commands.plan import PlanResult, make_plan
from kestra_sync.errors import ConflictError, ExitCode
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.apply.outcome import Outcome
    from kestra_sync.apply.rollback import Restored

#: Shown the plan before anything is written; false keeps it from being carried out.
Confirm = Callable[[PlanResult], bool]


@dataclass(frozen=True)
class ApplyOptions:
    """How to carry a plan out.

    :param saved_plan: a plan file; the fresh plan must be the same one.
    :param expect_digest: the digest that the fresh plan must have.
    :param rollback: take back what was written if not everything could be.
    :param refresh_only: only bring the record up to date; write no flow.
    :param journal: a file that gets a line for each write.
    """

    saved_plan: str | None = None
    expect_digest: str | None = None
    rollback: bool = False
    refresh_only: bool = False
    journal: str | None = None


@dataclass(frozen=True)
class ApplyResult:
    """A plan and what became of it.

    :param outcomes: one for each write of the plan; empty if nothing was attempted.
    :param restored: what was taken back after a failure, and what could not be.
    :param declined: whoever was asked said no.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    :param notes: what else has to be said, such as a record that could not be stored.
    :param incomplete: something other than a flow could not be written: the record.
    """

    planned: PlanResult
    outcomes: tuple[Outcome, ...] = ()
    restored: tuple[Restored, ...] = ()
    declined: bool = False
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    incomplete: bool = False

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
        if self.restored:
            code = rollback_code(self.restored, ExitCode.FAILURE)
        else:
            code = exit_code(self.outcomes)
        half = code is ExitCode.OK or bool(self.restored)
        return ExitCode.PARTIAL if half and self.incomplete else code


def apply(
    settings: Settings,
    confirm: Confirm,
    *,
    options: ApplyOptions | None = None,
    observer: Observer = SILENT,
) -> ApplyResult:
    """Make a plan and carry it out.

    Nothing is written if any file is invalid, if a guard refuses, or if ``confirm`` says no.

    :raises UsageError: for paths, options or connection settings that make no sense.
    :raises RefusedError: if the inventory is another repository's, or cannot be used.
    :raises ConflictError: if the plan is not the saved one, or another apply is under way.
    :raises KestraError: if the server cannot be read, or the intent cannot be recorded. Failed
        writes are outcomes, not exceptions.
    """
    from kestra_sync.plan.saved import load_saved

    options = options or ApplyOptions()
    saved = load_saved(options.saved_plan) if options.saved_plan else None
    with connect(settings.connection) as client:
        planned = make_plan(settings, client, observer=observer)
        if planned.plan is None:
            return ApplyResult(planned)
        confirmed = confirm(planned)
        if planned.exit_code(detailed=False) is not ExitCode.OK:
            return ApplyResult(planned)
        if saved is not None or options.expect_digest:
            _same_plan(planned, saved, options.expect_digest)
        if planned.plan.writes and not confirmed and not options.refresh_only:
            return ApplyResult(planned, declined=True)
        from kestra_sync.apply.carry_out import carry_out

        done = carry_out(client, planned.plan, planned.ownership, settings, options, observer)
        return ApplyResult(
            planned,
            done.outcomes,
            done.restored,
            interrupted=done.interrupted,
            notes=done.notes,
            incomplete=done.incomplete,
        )


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
            f"the saved plan is stale:\n{moved}", remedy="make the plan again, and review it"
        )
    if expected and expected != fresh.digest:
        raise ConflictError(
            f"the plan is not the one that was reviewed: its digest is {fresh.digest},"
            f" expected was {expected}",
            remedy="look at the plan above, and review it again",
        )
