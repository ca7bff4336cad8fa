"""Runs an apply from the lock to the record: every step that writes, in a safe order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from kestra_sync.apply.journal import Journal
from kestra_sync.apply.keeper import Recorder, StaleRecordError
from kestra_sync.apply.lock import Lock
from kestra_sync.apply.neighbours import RemovedEntries, give_back, others_now, recorded, take_over
from kestra_sync.apply.rollback import roll_back
from kestra_sync.apply.run import (
    ChangeStatus,
    Done,
    Outcome,
    Tally,
    defer_signals,
    first_updates,
    run,
)
from kestra_sync.apply.writer import ChangeWriter, FirstReads, FlowStore, existing_creates, verify
from kestra_sync.client.errors import KestraError
from kestra_sync.client.kv import Kv
from kestra_sync.client.parallel import in_background
from kestra_sync.errors import ConflictError, RefusedError
from kestra_sync.inventory.others import Others
from kestra_sync.inventory.read import Ownership
from kestra_sync.kinds.base import Store
from kestra_sync.kinds.registry import KindsOnServer
from kestra_sync.model import Change, Kind, Live, Plan, ResourceId
from kestra_sync.observer import Observer, SafeObserver
from kestra_sync.plan.order import Levels, levels
from kestra_sync.settings import ApplyOptions, Settings

LOG = logging.getLogger(__name__)

LOST_LOCK = "the lock was released during this run: another apply may have written as well"


class ApplyClient(Protocol):
    """The parts of :class:`kestra_sync.client.client.KestraClient` that an apply needs."""

    @property
    def flows(self) -> FlowStore: ...

    @property
    def kv(self) -> Kv: ...


#: Returns an outcome per change if a flow to create already exists, otherwise nothing.
Existing = Callable[[], tuple[Outcome, ...]]
#: Runs the smoke tests of what was written until the event is set; returns whether any failed.
ApplyTest = Callable[[Sequence[Outcome], threading.Event], bool]


def apply_plan(
    client: ApplyClient,
    plan: Plan,
    owned: Ownership | None,
    settings: Settings,
    options: ApplyOptions,
    observer: Observer,
    run_tests: ApplyTest | None = None,
    stop: threading.Event | None = None,
    kinds: KindsOnServer | None = None,
    early: Lock | None = None,
) -> Done:
    """Lock, record the intent, write, verify, test, roll back if needed, record, unlock.

    :param settings: the number of concurrent writes and the lock timeout are used.
    :param run_tests: called if all writes succeeded, or if there was nothing to write.
    :param stop: set by the caller to end the run; writes that are running are completed.
    :param kinds: reads and writes what is not a flow.
    :param early: the lock, if acquiring it was started while the plan was created.
    :raises ConflictError: another apply holds the lock, or ran since the plan was created.
    :raises UsageError: the journal cannot be written.
    :raises KestraError: the lock or the intent could not be stored; no flow was written.
    """
    observer = SafeObserver(observer)
    preview = owned is not None and owned.preview is not None
    if options.refresh_only or not (plan.writes or preview):
        done = Done() if owned is None else _record_only(client, plan, owned, settings, early)
        if run_tests is None or options.refresh_only:
            return done
        with defer_signals(stop) as stop:
            steps = _Steps(client, settings, observer, stop)
            return steps.only_test(run_tests, done)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(options.journal)) if options.journal else None
        lock = None
        if owned is not None:
            lock = early or Lock(client.kv, owned.at, timeout=settings.lock_timeout)
            stack.enter_context(lock)
        stop = stack.enter_context(defer_signals(stop))
        steps = _Steps(client, settings, observer, stop, journal, lock, kinds)
        order = levels(plan.changes)
        first = FirstReads(client.flows, first_updates(order.stages, settings.parallelism))
        existing: Existing = partial(existing_creates, client.flows, order.levels)
        recorder = None
        removed: tuple[RemovedEntries, ...] = ()
        if owned is not None and lock is not None:
            recorder = Recorder.of(client.kv, owned, plan)
            others = _read_others(client, plan, owned, recorder)
            existing = in_background(existing)
            with _unchanged(owned):
                meanwhile = None if owned.take_over else partial(first.read, lock.check_ahead)
                recorder.store_intent(meanwhile, lock.recent_read())
            # Before the writes: if this run is killed, no flow of another inventory has changed.
            if owned.take_over:
                removed = take_over(client.kv, plan, owned, others, settings)
        todo = [lambda: _write(steps, order, existing, first)]
        todo += [] if recorder is None else [recorder.check_ahead]
        todo += [steps.verify, steps.check_lock]
        if run_tests is not None:
            todo.append(lambda: steps.run_tests(run_tests))
        if options.rollback:
            todo.append(steps.roll_back)
        steps.run(todo)
        done = replace(steps.done, interrupted=steps.interrupted)
        if recorder is not None:
            if removed:
                done = give_back(client.kv, removed, done, settings)
            done = _recorded(recorder, done, plan, removed, lock)
        if lock is not None:
            _release(lock, recorder)
        if journal is not None and journal.broken:
            done = replace(done, notes=(*done.notes, f"{_JOURNAL} ({journal.broken})"))
        return replace(done, interrupted=done.interrupted or steps.interrupted)


def _release(lock: Lock, recorder: Recorder | None) -> None:
    """Release the lock and delete the intent, at the same time."""
    with suppress(KeyboardInterrupt):  # both keys expire; the result must be returned
        closed = in_background(recorder.close) if recorder is not None else lambda: None
        lock.release()
        closed()


def _record_only(
    client: ApplyClient, plan: Plan, owned: Ownership, settings: Settings, early: Lock | None
) -> Done:
    """Adopt and refresh under the lock, so that the record of another apply is not overwritten."""
    recorder = Recorder.of(client.kv, owned, plan)
    if not recorder.record.stale and not any(each.kind == "strike" for each in plan.record):
        return Done()
    with early or Lock(client.kv, owned.at, timeout=settings.lock_timeout):
        with _unchanged(owned):
            recorder.check()
        others = _read_others(client, plan, owned, recorder)
        removed: tuple[RemovedEntries, ...] = ()
        if owned.take_over:
            removed = take_over(client.kv, plan, owned, others, settings)
        with _unchanged(owned):
            recorder.finish((), "adopted")
        return Done(recorded=recorded(plan, removed))


def _read_others(client: ApplyClient, plan: Plan, owned: Ownership, recorder: Recorder) -> Others:
    """Read the other inventories, if they may own any flow of the plan; most applies need none."""
    perhaps = any(each.maybe_foreign for each in plan.changes)
    if not (perhaps or owned.inventory is None or owned.take_over):
        return Others()
    return others_now(client.kv, plan, owned, recorder.record)


@contextmanager
def _unchanged(owned: Ownership) -> Iterator[None]:
    """Turn a changed record into a conflict: the plan is out of date.

    :raises ConflictError: another run has applied in the meantime.
    """
    try:
        yield
    except StaleRecordError as error:
        raise ConflictError(
            f"another apply of {owned.place.name!r} ran since the plan was created",
            remedy="run the command again to create a new plan",
        ) from error


def _write(steps: _Steps, order: Levels, existing: Existing, first: FirstReads) -> None:
    """Write everything, unless a flow to create was created by someone else in the meantime.

    :param existing: checks whether the flows to create already exist.
    :raises KestraError: the server could not be read; nothing was written.
    """
    for cycle in order.cycles:
        steps.observer.note(f"these flows call each other: {', '.join(map(str, cycle))}")
    conflicts = existing()
    if conflicts:
        steps.done = Done(conflicts)
        return
    journal, lock = steps.journal, steps.lock
    stores = steps.stores(change for level in order.levels for change in level)
    write = ChangeWriter(steps.client.flows, stores=stores, first=first).write
    steps.tally = Tally(order.stages)
    steps.begun = True
    outcomes = run(
        order.stages,
        journal.around(write) if journal is not None else write,
        parallelism=steps.settings.parallelism,
        observer=steps.observer,
        stop=steps.stop,
        go_on=lock.check if lock is not None else lambda: True,
        tally=steps.tally,
    )
    steps.done = Done(outcomes)
    if lock is not None:
        steps.still_locked = in_background(lock.check)


_JOURNAL = "the journal failed and is incomplete"


def _recorded(
    recorder: Recorder,
    done: Done,
    plan: Plan,
    removed: tuple[RemovedEntries, ...],
    lock: Lock | None,
) -> Done:
    """Store the result. Never raises: a failure becomes part of the result."""
    try:
        check = None if lock is None else lock.check_ahead
        recorder.finish(
            done.outcomes, done.summary, done.restored, check, tests_failed=done.tests_failed
        )
    except StaleRecordError as error:
        note = (
            f"the inventory was not written: {error}. The flows written by this run are recorded "
            f"in a separate key and count as owned; run apply again to complete it"
        )
        return replace(done, notes=(*done.notes, note), incomplete=True)
    except BaseException as error:
        known = isinstance(error, (KestraError, RefusedError))
        words = str(error) if known else f"{type(error).__name__}: {error}"
        cut = isinstance(error, KeyboardInterrupt)
        words = "interrupted" if cut else words
        note = f"the inventory could not be written ({words}); run apply again to complete it"
        cut = cut or done.interrupted
        return replace(done, notes=(*done.notes, note), incomplete=True, interrupted=cut)
    return replace(done, recorded=recorded(plan, removed)) if plan.record or removed else done


class _Steps:
    """The steps between the intent and the record, and their results so far.

    Whatever a step raises, and whenever a signal arrives, :attr:`done` has what was written, for
    the record and the report. Exceptions propagate only before the first write.

    :param stop: set when the run should end.
    :param kinds: reads and writes what is not a flow.
    """

    def __init__(
        self,
        client: ApplyClient,
        settings: Settings,
        observer: Observer,
        stop: threading.Event,
        journal: Journal | None = None,
        lock: Lock | None = None,
        kinds: KindsOnServer | None = None,
    ) -> None:
        self.kinds = kinds
        self.client = client
        self.settings = settings
        self.observer = observer
        self.stop = stop
        self.journal = journal
        self.lock = lock
        self.tally: Tally | None = None
        self.done = Done()
        self.begun = False
        """Whether the writes have begun."""
        self.still_locked: Callable[[], bool] | None = None
        """Waits for the check of the lock after the writes."""
        self._cut_short = False

    @property
    def interrupted(self) -> bool:
        """Whether the run should end."""
        return self._cut_short or self.stop.is_set()

    @property
    def failed(self) -> bool:
        """Whether any change was not applied."""
        return any(each.status is not ChangeStatus.APPLIED for each in self.done.outcomes)

    def run(self, steps: Sequence[Callable[[], None]]) -> None:
        """Run the steps; what one of them raises becomes part of the result.

        :raises BaseException: anything raised before the first write.
        """
        try:
            for step in steps:
                try:
                    step()
                except BaseException as error:
                    if not self.begun:
                        raise
                    self._record_failure(error)
        except KeyboardInterrupt as error:  # between two steps
            if not self.begun:
                raise
            self._record_failure(error)

    def verify(self) -> None:
        """Read everything that was written, in one request, and compare it."""
        if self.interrupted:
            return
        self.observer.stage("verifying the result")
        try:
            outcomes = verify(self.client.flows, self.done.outcomes, self._read_back)
        except Exception as error:
            self.note(f"the written flows could not be verified: {_error_text(error)}")
            self.done = replace(self.done, incomplete=True)
        else:
            self.done = replace(self.done, outcomes=outcomes)

    def check_lock(self) -> None:
        """Add a note if the lock was lost during the writes."""
        if self.still_locked is not None and not self.still_locked():
            self.note(LOST_LOCK)

    def run_tests(self, run_tests: ApplyTest) -> None:
        """Run the smoke tests, while the lock is renewed. A crash counts as failed tests."""
        if self.failed or self.interrupted or self.done.incomplete:
            return
        self.observer.end()
        tests_failed = True
        try:
            tests_failed = run_tests(self.done.outcomes, self.stop)
        except Exception as error:
            self.note(f"the smoke tests crashed, which counts as failed: {_error_text(error)}")
            LOG.debug("the smoke tests crashed", exc_info=error)
        self.done = replace(self.done, tests_failed=tests_failed)
        if not self.done.notes and self.lock is not None and not self.lock.check():
            self.note(LOST_LOCK)

    def only_test(self, run_tests: ApplyTest, done: Done) -> Done:
        """Run the smoke tests after ``done``, which wrote nothing."""
        self.begun, self.done = True, done
        self.run([lambda: self.run_tests(run_tests)])
        return replace(self.done, interrupted=self.interrupted)

    def roll_back(self) -> None:
        """Roll back all writes if anything failed, unless the run should end."""
        if not (self.failed or self.done.tests_failed) or self.interrupted:
            return
        self.observer.stage("rolling back")
        journal = self.journal.change if self.journal is not None else _ignore_event
        restored = roll_back(
            self.client.flows,
            self.done.outcomes,
            self.observer,
            journal=journal,
            stores=self.stores(each.change for each in self.done.outcomes),
        )
        self.done = replace(self.done, restored=restored)

    def stores(self, changes: Iterable[Change]) -> Mapping[Kind, Store]:
        """Return the stores for the resources of ``changes`` that are not flows."""
        if self.kinds is None:
            return {}
        return self.kinds.stores(each.flow_id for each in changes)

    def _read_back(self, written: Iterable[tuple[Change, int | None]]) -> Mapping[ResourceId, Live]:
        return {} if self.kinds is None else self.kinds.read_written(written)

    def note(self, text: str) -> None:
        """Add a note for the report."""
        self.done = replace(self.done, notes=(*self.done.notes, text))

    def _record_failure(self, error: BaseException) -> None:
        """Record an unexpected exception of a step, or a second ``^C``."""
        if not self.done.outcomes and self.tally is not None:
            self.done = replace(self.done, outcomes=self.tally.outcomes())
        if isinstance(error, KeyboardInterrupt):
            self._cut_short = True
            return
        LOG.debug("the apply failed", exc_info=error)
        self.note(f"the apply failed after its writes: {_error_text(error)}")
        self.done = replace(self.done, incomplete=True)


def _error_text(error: BaseException) -> str:
    """Return the text of an error, with its type unless it is a :class:`KestraError`."""
    return str(error) if isinstance(error, KestraError) else f"{type(error).__name__}: {error}"


def _ignore_event(_change: Change, _event: str) -> None:
    """There is no journal."""
