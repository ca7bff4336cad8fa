"""``apply``: make a plan, have it confirmed, carry it out, look at the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import connect
from kestra_sync.commands.plan import PlanResult, make_plan
from kestra_sync.errors import ExitCode
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.apply.outcome import Outcome
    from kestra_sync.kestra.client import KestraClient

#: Shown the plan before anything is written; false keeps it from being carried out.
Confirm = Callable[[PlanResult], bool]


@dataclass(frozen=True)
class ApplyResult:
    """A plan and what became of it.

    :param outcomes: one for each write of the plan; empty if nothing was attempted.
    :param declined: whoever was asked said no.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    """

    planned: PlanResult
    outcomes: tuple[Outcome, ...] = ()
    declined: bool = False
    interrupted: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """As documented in ``docs/exit-codes.md``."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.planned.invalid:
            return ExitCode.INVALID
        if self.declined:
            return ExitCode.FAILURE
        from kestra_sync.apply.outcome import exit_code

        return exit_code(self.outcomes)


def apply(settings: Settings, confirm: Confirm, *, observer: Observer = SILENT) -> ApplyResult:
    """Make a plan and carry it out.

    Nothing is written if any file is invalid, or if ``confirm`` says no.

    :raises UsageError: for paths or connection settings that make no sense.
    :raises KestraError: if the server cannot be read. Failed writes are outcomes, not exceptions.
    """
    with connect(settings.connection) as client:
        planned = make_plan(settings, client, observer=observer)
        if planned.invalid or planned.plan is None:
            return ApplyResult(planned)
        confirmed = confirm(planned)
        if not planned.plan.writes:
            return ApplyResult(planned)
        if not confirmed:
            return ApplyResult(planned, declined=True)
        return _carry_out(planned, settings, client, observer)


def _carry_out(
    planned: PlanResult, settings: Settings, client: KestraClient, observer: Observer
) -> ApplyResult:
    from kestra_sync.apply.run import run
    from kestra_sync.apply.verify import verify
    from kestra_sync.apply.writer import Writer
    from kestra_sync.plan.levels import levels

    plan = planned.plan
    assert plan is not None
    sorted_levels = levels(plan.writes)
    for cycle in sorted_levels.cycles:
        observer.note(f"these flows call each other: {', '.join(map(str, cycle))}")
    outcomes, interrupted = run(
        sorted_levels.levels,
        Writer(client.flows).write,
        parallelism=settings.parallelism,
        observer=observer,
    )
    if not interrupted:
        observer.stage("looking at the result")
        outcomes = verify(client.flows, outcomes)
    result = ApplyResult(planned, outcomes)
    return replace(result, interrupted=interrupted)
