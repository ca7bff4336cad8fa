"""One apply from the lock to the record: every step that writes, in the order that is safe."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from kestra_sync.apply.journal import Journal
from kestra_sync.apply.keeper import OvertakenError, Recorder
from kestra_sync.apply.lock import Lock
from kestra_sync.apply.neighbours import RemovedEntries, given_back, others_now, recorded, take_over
from kestra_sync.apply.record import RunRecord
from kestra_sync.apply.rollback import roll_back
from kestra_sync.apply.run import ChangeStatus, Done, Outcome, Tally, first_updates, held_back, run
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


#: The outcomes if a flow to create is there already.
Existing = Callable[[], tuple[Outcome, ...]]
#: Runs the smoke tests of what was written, told to end by the event; whether they are red.
ApplyTest = Callable[[Sequence[Outcome], threading.Event], bool]


def apply_plan(
    client: ApplyClient,
    plan: Plan,
    owned: Ownership | None,
    settings: Settings,
    options: ApplyOptions,
    observer: Observer,
    prove: ApplyTest | None = None,
    stop: threading.Event | None = None,
    kinds: KindsOnServer | None = None,
    early: Lock | None = None,
) -> Done:
    """Lock, record the intent, write, verify, prove, perhaps roll back, record, unlock.

    :param settings: of these, how many writes go at once and how long to wait for others.
    :param prove: called if everything could be written, also if there was nothing to write.
    :param stop: set from outside to end the run; the writes that are running are finished.
    :param kinds: reads and writes what is not a flow.
    :param early: the lock where the record is, if it was begun while the plan was made.
    :raises ConflictError: another apply holds the lock, or ran since the plan was created.
    :raises UsageError: the journal cannot be written.
    :raises KestraError: the lock or the intent could not be stored; no flow was written.
    """
    observer = SafeObserver(observer)
    preview = owned is not None and owned.preview is not None
    if options.refresh_only or not (plan.writes or preview):
        done = Done()
        if owned is not None:
            done = _record_only(client, plan, owned, settings, early)
        if prove is None or options.refresh_only:
            return done
        with held_back(stop) as stop:
            steps = _Steps(client, settings, observer, stop, None, None)
            steps.begun = True
            steps.done = done
            steps.go([lambda: steps.prove(prove)])
            return replace(steps.done, interrupted=steps.interrupted)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(options.journal)) if options.journal else None
        lock = None
        if owned is not None:
            lock = early or Lock(client.kv, owned.at, timeout=settings.lock_timeout)
            stack.enter_context(lock)
        stop = stack.enter_context(held_back(stop))
        steps = _Steps(client, settings, observer, stop, journal, lock, kinds)
        order = levels(plan.changes)
        first = FirstReads(client.flows, first_updates(order.stages, settings.parallelism))
        there: Existing = partial(existing_creates, client.flows, order.levels)
        recorder = None
        struck: tuple[RemovedEntries, ...] = ()
        if owned is not None and lock is not None:
            recorder = _recorder(client, owned, plan)
            others = _others(client, plan, owned, recorder)
            there = in_background(there)
            with _unchanged(owned):
                meanwhile = None if owned.take_over else partial(first.read, lock.look)
                recorder.intend(meanwhile, lock.read_beside())
            # Before the writes: should this run be killed, no flow of theirs has changed yet.
            if owned.take_over:
                struck = take_over(client.kv, plan, owned, others, settings)
        look = [] if recorder is None else [recorder.look]
        todo = [lambda: _write(steps, order, there, first), *look, steps.verify, steps.check_lock]
        if prove is not None:
            todo.append(lambda: steps.prove(prove))
        if options.rollback:
            todo.append(steps.roll_back)
        steps.go(todo)
        done = replace(steps.done, interrupted=steps.interrupted)
        if recorder is not None:
            if struck:
                done = given_back(client.kv, struck, done, settings)
            done = _recorded(recorder, done, plan, struck, lock)
        if lock is not None:
            with suppress(KeyboardInterrupt):  # they expire by themselves, the result is needed
                closed = in_background(recorder.close) if recorder is not None else lambda: None
                lock.release()
                closed()
        if journal is not None and journal.broken:
            done = replace(done, notes=(*done.notes, f"{_JOURNAL} ({journal.broken})"))
        return replace(done, interrupted=done.interrupted or steps.interrupted)


def _record_only(
    client: ApplyClient, plan: Plan, owned: Ownership, settings: Settings, early: Lock | None
) -> Done:
    """Adopt and refresh, under the lock: another apply must not lose its record to this one."""
    recorder = _recorder(client, owned, plan)
    if not recorder.record.stale and not any(each.kind == "strike" for each in plan.record):
        return Done()
    with early or Lock(client.kv, owned.at, timeout=settings.lock_timeout):
        with _unchanged(owned):
            recorder.check()
        others = _others(client, plan, owned, recorder)
        struck: tuple[RemovedEntries, ...] = ()
        if owned.take_over:
            struck = take_over(client.kv, plan, owned, others, settings)
        with _unchanged(owned):
            recorder.finish((), "adopted")
        return Done(recorded=recorded(plan, struck))


def _others(client: ApplyClient, plan: Plan, owned: Ownership, recorder: Recorder) -> Others:
    """The other inventories under the lock, if anything may be theirs; most applies need none."""
    perhaps = any(each.perhaps_theirs for each in plan.changes)
    if not (perhaps or owned.inventory is None or owned.take_over):
        return Others()
    return others_now(client.kv, plan, owned, recorder.record)


@contextmanager
def _unchanged(owned: Ownership) -> Iterator[None]:
    """The record must be the one that was planned with.

    :raises ConflictError: another run has applied in the meantime.
    """
    try:
        yield
    except OvertakenError as error:
        raise ConflictError(
            f"another apply of {owned.place.name!r} ran since the plan was created",
            remedy="run the command again to create a new plan",
        ) from error


def _recorder(client: ApplyClient, owned: Ownership, plan: Plan) -> Recorder:
    record = RunRecord(
        owned.place, owned.inventory, plan, owned.origin, at=owned.at, preview=owned.preview
    )
    return Recorder(client.kv, record)


def _write(steps: _Steps, order: Levels, existing: Existing, first: FirstReads) -> None:
    """Write everything, unless a flow to create was created by someone else in the meantime.

    :param existing: what has become of the flows to create.
    :raises KestraError: the server cannot be read; nothing was written.
    """
    for cycle in order.cycles:
        steps.observer.note(f"these flows call each other: {', '.join(map(str, cycle))}")
    there = existing()
    if there:
        steps.done = Done(there)
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
    struck: tuple[RemovedEntries, ...],
    lock: Lock | None,
) -> Done:
    """Store the result. Never raises: a failure to do so is part of the result."""
    try:
        look = None if lock is None else lock.look
        recorder.finish(done.outcomes, done.word, done.restored, look, red=done.red)
    except OvertakenError as error:
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
        return replace(
            done,
            notes=(*done.notes, note),
            incomplete=True,
            interrupted=done.interrupted or cut,
        )
    return replace(done, recorded=recorded(plan, struck)) if plan.record or struck else done


class _Steps:
    """The steps between the intent and the record, and their results so far.

    There is one way out: whatever a step throws, and whenever a signal comes, :attr:`done` holds
    what was written, for the record and the report. Only before the first write may anything pass.

    :param stop: set once the run should end.
    :param kinds: reads and writes what is not a flow.
    """

    def __init__(
        self,
        client: ApplyClient,
        settings: Settings,
        observer: Observer,
        stop: threading.Event,
        journal: Journal | None,
        lock: Lock | None,
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
        """Waits for the look at the lock after the writes."""
        self._cut_short = False

    @property
    def interrupted(self) -> bool:
        """Whether the run should end."""
        return self._cut_short or self.stop.is_set()

    @property
    def failed(self) -> bool:
        """Whether anything that was to be written was not."""
        return any(each.status is not ChangeStatus.APPLIED for each in self.done.outcomes)

    def go(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take the steps; what one of them throws is part of the result.

        :raises BaseException: whatever was thrown before the first write.
        """
        try:
            for step in steps:
                try:
                    step()
                except BaseException as error:
                    if not self.begun:
                        raise
                    self._broke(error)
        except KeyboardInterrupt as error:  # in between two steps
            if not self.begun:
                raise
            self._broke(error)

    def verify(self) -> None:
        """Look at everything that was written, in one read."""
        if self.interrupted:
            return
        self.observer.stage("verifying the result")
        try:
            outcomes = verify(self.client.flows, self.done.outcomes, self._read_beside)
        except Exception as error:
            self.note(f"the written flows could not be verified: {_words(error)}")
            self.done = replace(self.done, incomplete=True)
        else:
            self.done = replace(self.done, outcomes=outcomes)

    def check_lock(self) -> None:
        """Take note if the lock was lost during the writes."""
        if self.still_locked is not None and not self.still_locked():
            self.note(LOST_LOCK)

    def prove(self, prove: ApplyTest) -> None:
        """Run what was written; the lock renews itself meanwhile. What breaks is red."""
        if self.failed or self.interrupted or self.done.incomplete:
            return
        self.observer.end()
        red = True
        try:
            red = prove(self.done.outcomes, self.stop)
        except Exception as error:
            self.note(f"the smoke tests crashed, which counts as failed: {_words(error)}")
            LOG.debug("the smoke tests crashed", exc_info=error)
        self.done = replace(self.done, red=red)
        if not self.done.notes and self.lock is not None and not self.lock.check():
            self.note(LOST_LOCK)

    def roll_back(self) -> None:
        """Roll everything back if anything failed, unless the run should end."""
        if not (self.failed or self.done.red) or self.interrupted:
            return
        self.observer.stage("rolling back")
        tell = self.journal.change if self.journal is not None else _ignore_event
        restored = roll_back(
            self.client.flows,
            self.done.outcomes,
            self.observer,
            journal=tell,
            stores=self.stores(each.change for each in self.done.outcomes),
        )
        self.done = replace(self.done, restored=restored)

    def stores(self, changes: Iterable[Change]) -> Mapping[Kind, Store]:
        """What reads and writes the resources of ``changes`` that are not flows."""
        if self.kinds is None:
            return {}
        return self.kinds.stores(each.flow_id for each in changes)

    def _read_beside(
        self, written: Iterable[tuple[Change, int | None]]
    ) -> Mapping[ResourceId, Live]:
        return {} if self.kinds is None else self.kinds.read_written(written)

    def note(self, text: str) -> None:
        """Something the report has to say."""
        self.done = replace(self.done, notes=(*self.done.notes, text))

    def _broke(self, error: BaseException) -> None:
        """A step raised an unexpected exception, or ``^C`` was pressed a second time."""
        if not self.done.outcomes and self.tally is not None:
            self.done = replace(self.done, outcomes=self.tally.outcomes())
        if isinstance(error, KeyboardInterrupt):
            self._cut_short = True
            return
        LOG.debug("the apply failed", exc_info=error)
        self.note(f"the apply failed after its writes: {_words(error)}")
        self.done = replace(self.done, incomplete=True)


def _words(error: BaseException) -> str:
    """What an error says; of one that is not ours also what it is."""
    return str(error) if isinstance(error, KestraError) else f"{type(error).__name__}: {error}"


def _ignore_event(_change: Change, _event: str) -> None:
    """There is no journal."""
