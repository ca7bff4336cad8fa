"""``apply``: create a plan, have it confirmed, apply it, verify the result, record it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from kestra_sync.apply.run import Done
from kestra_sync.client.client import connect
from kestra_sync.commands.plan import PlanResult, check_something, make_plan
from kestra_sync.errors import ConflictError, ExitCode
from kestra_sync.model import Plan
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import ApplyOptions, DisabledTriggers, Settings

if TYPE_CHECKING:
    from kestra_sync.apply.lock import Lock
    from kestra_sync.client.client import KestraClient
    from kestra_sync.commands.apply_smoke import SmokeAfter
    from kestra_sync.inventory.read import Ownership
    from kestra_sync.plan.saved import SavedPlan
    from kestra_sync.smoke.result import SmokeResult
    from kestra_sync.triggers.changes import TriggerCheck

#: Is called with the plan before anything is written; the plan is applied if it returns true.
ConfirmPlan = Callable[[PlanResult], bool]


class Planner(Protocol):
    """Makes a plan; has the signature of :func:`make_plan`."""

    def __call__(
        self,
        settings: Settings,
        client: KestraClient,
        *,
        observer: Observer,
        on_changed_files: Callable[[Ownership], None] | None,
    ) -> PlanResult: ...


_NOTHING = Done()


@dataclass(frozen=True)
class ApplyResult:
    """A plan and its outcome.

    :param done: what was written and recorded; empty if nothing was attempted.
    :param declined: the confirmation was declined.
    :param smoke: the results of the smoke tests; ``None`` if none were run.
    :param triggers: the state of the changed or enabled triggers after the apply.
    """

    planned: PlanResult
    done: Done = _NOTHING
    declined: bool = False
    smoke: SmokeResult | None = None
    triggers: tuple[TriggerCheck, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """The exit code, as documented in ``docs/exit-codes.md``."""
        if self.done.interrupted:
            return ExitCode.INTERRUPTED
        refused = self.planned.exit_code(detailed=False)
        if refused is not ExitCode.OK:
            return refused
        if self.declined:
            return ExitCode.FAILURE
        return self.done.exit_code(tests_failed=self.smoke is not None and self.smoke.failed)


def apply(
    settings: Settings,
    confirm: ConfirmPlan,
    *,
    options: ApplyOptions | None = None,
    observer: Observer = SILENT,
    smoke_observer: Observer | None = None,
    planner: Planner = make_plan,
) -> ApplyResult:
    """Connect to the server, make a plan and apply it; see :func:`apply_with`.

    :raises UsageError: if connection settings are not valid.
    """
    from kestra_sync.plan.saved import load_saved

    options = options or ApplyOptions()
    saved = load_saved(options.saved_plan) if options.saved_plan else None
    with connect(settings.connection, settings.parallelism) as client:
        return apply_with(
            settings,
            client,
            confirm,
            options=options,
            saved=saved,
            observer=observer,
            smoke_observer=smoke_observer,
            planner=planner,
        )


def apply_with(
    settings: Settings,
    client: KestraClient,
    confirm: ConfirmPlan = lambda _planned: True,
    *,
    options: ApplyOptions | None = None,
    saved: SavedPlan | None = None,
    observer: Observer = SILENT,
    smoke_observer: Observer | None = None,
    stop: threading.Event | None = None,
    planner: Planner = make_plan,
) -> ApplyResult:
    """Make a plan and apply it with ``client``.

    Nothing is written if any file is invalid, if a guard refuses, or if ``confirm`` returns false.

    :param saved: the plan that was reviewed; the current plan must be equal to it.
    :param smoke_observer: is notified of the smoke tests, instead of ``observer``.
    :param stop: set from outside, by another thread, to end the run early: the writes that are
        running are finished and recorded. By default only ``^C`` and SIGTERM end it.
    :param planner: makes the plan; by default a plan of the files.
    :raises UsageError: if paths or options are not valid.
    :raises RefusedError: if the inventory belongs to another repository, or cannot be used.
    :raises ConflictError: if the plan is not the saved one, or another apply is running.
    :raises KestraError: if the server cannot be read, or the intent cannot be recorded. Failed
        writes are outcomes, not exceptions.
    """
    options = options or ApplyOptions()
    with _EarlyLock(client, settings.lock_timeout) as early:
        planned = planner(
            settings,
            client,
            observer=observer,
            on_changed_files=early.begin if options.unattended else None,
        )
        check_something(planned, settings)
        smoke = _smoke_after(client, settings, options, smoke_observer or observer)
        planned = _checked(client, settings, planned, options, smoke)
        plan = planned.plan
        if plan is None:
            return ApplyResult(planned)
        confirmed = confirm(planned)
        _check_reviewed(planned, plan, saved, options.expect_digest)
        if planned.exit_code(detailed=False) is not ExitCode.OK:
            return ApplyResult(planned)
        if planned.changes_anything and not confirmed and not options.refresh_only:
            return ApplyResult(planned, declined=True)
        from kestra_sync.apply.transaction import apply_plan

        done = apply_plan(
            client,
            plan,
            planned.ownership,
            settings,
            options,
            observer,
            smoke.prove(planned.desired) if smoke is not None else None,
            stop,
            None if planned.kinds is None else planned.kinds.on(client),
            early.lock,
        )
        checks: tuple[TriggerCheck, ...] = ()
        if not (done.restored or done.interrupted or options.refresh_only):
            checks, done = _with_triggers(client, planned, done, verify=options.verify_triggers)
        ran = smoke.result if smoke is not None else None
        return ApplyResult(planned, done, smoke=ran, triggers=checks)


def _smoke_after(
    client: KestraClient, settings: Settings, options: ApplyOptions, observer: Observer
) -> SmokeAfter | None:
    """Return the smoke tests to run after the writes; ``None`` if they were not requested."""
    if not options.smoke:
        return None
    from kestra_sync.commands.apply_smoke import SmokeAfter

    return SmokeAfter(client, settings, observer)


def _checked(
    client: KestraClient,
    settings: Settings,
    planned: PlanResult,
    options: ApplyOptions,
    smoke: SmokeAfter | None,
) -> PlanResult:
    """Return the plan with what only an apply checks, and the triggers that it enables."""
    if options.rollback:
        planned = _with_what_stays(client, planned)
    if smoke is not None:
        planned = smoke.checked(planned)
    if planned.plan is None:
        return planned
    if options.refresh_only:
        return planned.writing_nothing()
    if settings.triggers is DisabledTriggers.ENABLE:
        from kestra_sync.commands.triggers import disabled_triggers

        enabling = disabled_triggers(client, planned.plan.scope, planned.desired)
        planned = replace(planned, enabling=enabling)
    return planned


class _EarlyLock:
    """The lock of an apply, taken while the plan is made: the reads are most of the waiting.

    It is always released at the end.
    """

    def __init__(self, client: KestraClient, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self.lock: Lock | None = None

    def begin(self, owned: Ownership) -> None:
        """Start to acquire the lock next to the record, without waiting."""
        from kestra_sync.apply.lock import Lock
        from kestra_sync.client.parallel import in_background
        from kestra_sync.inventory.read import read_version

        # Its modules are imported while the server responds.
        in_background(lambda: import_module("kestra_sync.apply.transaction"))
        kv = self._client.kv
        self.lock = Lock(kv, owned.at, timeout=self._timeout)
        self.lock.begin(lambda: read_version(kv, owned.at))

    def __enter__(self) -> _EarlyLock:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.lock is not None:
            self.lock.release()


def _with_triggers(
    client: KestraClient, planned: PlanResult, done: Done, *, verify: bool
) -> tuple[tuple[TriggerCheck, ...], Done]:
    """How the triggers are found after an apply, and the result with what is wrong with them."""
    if not (planned.triggers or planned.enabling):
        return (), done
    from kestra_sync.commands.triggers import check_after_apply

    checks, warnings = check_after_apply(
        client, planned.triggers, done.outcomes, planned.enabling, verify=verify
    )
    wrong = {(each.flow_id, each.trigger_id) for each in checks if not each.good}
    return checks, replace(
        done,
        notes=(*done.notes, *warnings),
        tests_failed=done.tests_failed or (verify and bool(wrong)),
        incomplete=done.incomplete or not wrong.isdisjoint(planned.enabling),
    )


def _with_what_stays(client: KestraClient, planned: PlanResult) -> PlanResult:
    """The plan with a warning for each flow that no rollback could restore."""
    if planned.plan is None or not client.server_info().can.strict_update:
        return planned
    from kestra_sync.checks.server import check_restorable

    found = (*planned.diagnostics, *check_restorable(client.flows, planned.plan.changes))
    return replace(planned, diagnostics=tuple(sorted(found, key=lambda each: each.sort_key)))


def _check_reviewed(
    planned: PlanResult, plan: Plan, saved: SavedPlan | None, expected: str | None
) -> None:
    """Refuse a plan that is not the one that was reviewed, if one was.

    :raises ConflictError: it is another one.
    """
    if saved is None and not expected:
        return
    # A flow of a first contact was created since: the list of changes is more helpful than its
    # owner. Other refusals and errors in files are the result.
    met = {each.rule for each in planned.refusals} == {"first-contact"} and not planned.invalid
    if met or planned.exit_code(detailed=False) is ExitCode.OK:
        _same_plan(plan, saved, expected)


def _same_plan(plan: Plan, saved: SavedPlan | None, expected: str | None) -> None:
    """Refuse a plan that differs from the one that was reviewed.

    :raises ConflictError: with the differences, as far as known.
    """
    from kestra_sync.plan.saved import differences, freeze

    fresh = freeze(plan)
    if saved is not None and saved.digest != fresh.digest:
        changed = "\n".join(f"  {each}" for each in differences(saved, fresh))
        raise ConflictError(
            f"the saved plan is stale:\n{changed}", remedy="create and review a new plan"
        )
    if expected and expected != fresh.digest:
        raise ConflictError(
            f"the plan is not the one that was reviewed: expected digest {expected}, but got "
            f"{fresh.digest}",
            remedy="review the plan above",
        )
