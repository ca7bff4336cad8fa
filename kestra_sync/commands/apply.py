"""``apply``: make a plan, have it confirmed, carry it out, look at the result, record it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import connect
from kestra_sync.commands.plan import PlanResult, make_plan
from kestra_sync.errors import ExitCode
from kestra_sync.kestra.errors import KestraError
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.apply.outcome import Outcome
    from kestra_sync.apply.record import Recorder
    from kestra_sync.kestra.client import KestraClient
    from kestra_sync.model import Plan

#: Shown the plan before anything is written; false keeps it from being carried out.
Confirm = Callable[[PlanResult], bool]


@dataclass(frozen=True)
class ApplyResult:
    """A plan and what became of it.

    :param outcomes: one for each write of the plan; empty if nothing was attempted.
    :param declined: whoever was asked said no.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    :param notes: what else has to be said, such as a record that could not be stored.
    """

    planned: PlanResult
    outcomes: tuple[Outcome, ...] = ()
    declined: bool = False
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    record_failed: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """As documented in ``docs/exit-codes.md``."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        refused = self.planned.exit_code(detailed=False)
        if refused is not ExitCode.OK:
            return refused
        if self.declined:
            return ExitCode.FAILURE
        from kestra_sync.apply.outcome import exit_code

        code = exit_code(self.outcomes)
        return ExitCode.PARTIAL if code is ExitCode.OK and self.record_failed else code


def apply(settings: Settings, confirm: Confirm, *, observer: Observer = SILENT) -> ApplyResult:
    """Make a plan and carry it out.

    Nothing is written if any file is invalid, if a guard refuses, or if ``confirm`` says no.

    :raises UsageError: for paths or connection settings that make no sense.
    :raises RefusedError: if the inventory is another repository's, or cannot be used.
    :raises KestraError: if the server cannot be read, or the intent cannot be recorded. Failed
        writes are outcomes, not exceptions.
    """
    with connect(settings.connection) as client:
        planned = make_plan(settings, client, observer=observer)
        if planned.plan is None:
            return ApplyResult(planned)
        confirmed = confirm(planned)
        if planned.exit_code(detailed=False) is not ExitCode.OK:
            return ApplyResult(planned)
        if planned.plan.writes and not confirmed:
            return ApplyResult(planned, declined=True)
        return _carry_out(planned, planned.plan, settings, client, observer)


def _carry_out(
    planned: PlanResult, plan: Plan, settings: Settings, client: KestraClient, observer: Observer
) -> ApplyResult:
    recorder = _recorder(planned, plan, client)
    if not plan.writes:
        if recorder is not None:
            recorder.finish((), "adopted")
        return ApplyResult(planned)
    if recorder is not None:
        recorder.intend()
    outcomes, interrupted = _write(plan, settings, client, observer)
    result = ApplyResult(planned, outcomes, interrupted=interrupted)
    if recorder is None:
        return result
    try:
        recorder.finish(outcomes, result_word(outcomes, interrupted=interrupted))
    except KestraError as error:
        note = f"the inventory could not be written ({error}); run apply again to mend it"
        return replace(result, notes=(note,), record_failed=True)
    return result


def _recorder(planned: PlanResult, plan: Plan, client: KestraClient) -> Recorder | None:
    if planned.ownership is None:
        return None
    from kestra_sync.apply.record import Recorder

    owned = planned.ownership
    return Recorder(client.kv, owned.place, owned.inventory, plan, owned.origin)


def _write(
    plan: Plan, settings: Settings, client: KestraClient, observer: Observer
) -> tuple[tuple[Outcome, ...], bool]:
    from kestra_sync.apply.run import run
    from kestra_sync.apply.verify import verify
    from kestra_sync.apply.writer import Writer
    from kestra_sync.plan.levels import levels

    order = levels(plan.changes)
    for cycle in order.cycles:
        observer.note(f"these flows call each other: {', '.join(map(str, cycle))}")
    outcomes, interrupted = run(
        order.levels,
        Writer(client.flows).write,
        parallelism=settings.parallelism,
        observer=observer,
    )
    if not interrupted:
        observer.stage("looking at the result")
        outcomes = verify(client.flows, outcomes)
    return outcomes, interrupted


def result_word(outcomes: tuple[Outcome, ...], *, interrupted: bool) -> str:
    """How the history names the result of a run."""
    from kestra_sync.apply.outcome import Status

    if interrupted:
        return "interrupted"
    if all(each.status is Status.APPLIED for each in outcomes):
        return "applied"
    return "partial" if any(each.written for each in outcomes) else "failed"
