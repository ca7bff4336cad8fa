"""An apply from the lock to the record: all steps that write, in a safe order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Protocol

from kestra_sync.apply.interrupt import held_back
from kestra_sync.apply.journal import Journal
from kestra_sync.apply.keeper import OvertakenError
from kestra_sync.apply.lock import Lock
from kestra_sync.apply.neighbours import Owned, given_back, others_now, recorded, take_over
from kestra_sync.apply.outcome import Outcome, Status
from kestra_sync.apply.precheck import existing_creates
from kestra_sync.apply.record import Recorder
from kestra_sync.apply.run import Tally, run
from kestra_sync.apply.steps import LOST_LOCK, Client, Done, Pace, Prove, Steps
from kestra_sync.apply.strike import RemovedEntries
from kestra_sync.apply.writer import Writer
from kestra_sync.client.errors import KestraError
from kestra_sync.errors import ConflictError, RefusedError
from kestra_sync.inventory.read import read_inventory
from kestra_sync.model import Change, Plan
from kestra_sync.observer import Observer, SafeObserver
from kestra_sync.plan.levels import levels


class HowToApply(Protocol):
    """The options that bear on the writes; see ``commands.apply.ApplyOptions``."""

    @property
    def rollback(self) -> bool: ...

    @property
    def refresh_only(self) -> bool: ...

    @property
    def journal(self) -> str | None: ...


def carry_out(
    client: Client,
    plan: Plan,
    owned: Owned | None,
    pace: Pace,
    how: HowToApply,
    observer: Observer,
    prove: Prove | None = None,
) -> Done:
    """Lock, record the intent, write, verify, prove, perhaps roll back, record, unlock.

    :param prove: called if everything could be written, also if there was nothing to write.
    :raises ConflictError: another apply holds the lock, or ran since the plan was created.
    :raises UsageError: the journal cannot be written.
    :raises KestraError: the lock or the intent could not be stored; no flow was written.
    """
    observer = SafeObserver(observer)
    if not plan.writes or how.refresh_only:
        done = Done()
        if owned is not None:
            done = _record_only(client, plan, owned, pace)
        if prove is None or how.refresh_only:
            return done
        with held_back() as stop:
            steps = Steps(client, pace, observer, stop, None, None)
            steps.begun = True
            steps.done = done
            steps.go([lambda: steps.prove(prove)])
            return replace(steps.done, interrupted=steps.interrupted)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(how.journal)) if how.journal else None
        lock = None
        if owned is not None:
            lock = stack.enter_context(_locked(client, owned, pace.lock_timeout))
        stop = stack.enter_context(held_back())
        recorder = None
        struck: tuple[RemovedEntries, ...] = ()
        if owned is not None:
            recorder = _recorder(client, owned, plan)
            others = others_now(client, plan, owned, recorder)
            recorder.intend()
            # Before the writes: should this run be killed, no flow of theirs has changed yet.
            struck = take_over(client, plan, owned, others, pace)
        steps = Steps(client, pace, observer, stop, journal, lock)
        todo = [lambda: _write(steps, plan), steps.verify]
        if prove is not None:
            todo.append(lambda: steps.prove(prove))
        if how.rollback:
            todo.append(steps.roll_back)
        steps.go(todo)
        done = replace(steps.done, interrupted=steps.interrupted)
        if recorder is not None:
            done = given_back(client, struck, done, pace)
            done = _recorded(recorder, done, plan, struck)
        if lock is not None:
            with suppress(KeyboardInterrupt):  # it expires by itself, the result is needed
                lock.release()
        if journal is not None and journal.broken:
            done = replace(done, notes=(*done.notes, f"{_JOURNAL} ({journal.broken})"))
        return replace(done, interrupted=done.interrupted or steps.interrupted)


def _record_only(client: Client, plan: Plan, owned: Owned, pace: Pace) -> Done:
    """Adopt and refresh, under the lock: another apply must not lose its record to this one."""
    recorder = _recorder(client, owned, plan)
    if not recorder.stale and not any(each.kind == "strike" for each in plan.record):
        return Done()
    with _locked(client, owned, pace.lock_timeout):
        others = others_now(client, plan, owned, recorder)
        struck = take_over(client, plan, owned, others, pace)
        recorder.finish((), "adopted")
        return Done(recorded=recorded(plan, struck))


@contextmanager
def _locked(client: Client, owned: Owned, timeout: float) -> Iterator[Lock]:
    """Hold the lock where the record is, the record being the one that was planned with.

    :raises ConflictError: another run holds it, or has applied in the meantime.
    """
    lock = Lock(client.kv, owned.at, timeout=timeout)
    try:
        lock.acquire()
        now = read_inventory(client.kv, owned.at)
        then = owned.inventory
        if (now.version if now else None) != (then.version if then else None):
            raise ConflictError(
                f"another apply of {owned.place.name!r} ran since the plan was created",
                remedy="run the command again to create a new plan",
            )
        yield lock
    finally:
        lock.release()


def _recorder(client: Client, owned: Owned, plan: Plan) -> Recorder:
    return Recorder(client.kv, owned.place, owned.inventory, plan, owned.origin, at=owned.at)


def _write(steps: Steps, plan: Plan) -> None:
    """Write everything, unless a flow to create was created by someone else in the meantime.

    :raises KestraError: the server cannot be read; nothing was written.
    """
    order = levels(plan.changes)
    for cycle in order.cycles:
        steps.observer.note(f"these flows call each other: {', '.join(map(str, cycle))}")
    there = existing_creates(steps.client.flows, order.levels)
    if there:
        steps.done = Done(_not_begun(order.levels, there))
        return
    journal, lock = steps.journal, steps.lock
    write = Writer(steps.client.flows).write
    steps.tally = Tally(order.stages)
    steps.begun = True
    outcomes = run(
        order.stages,
        journal.around(write) if journal is not None else write,
        parallelism=steps.pace.parallelism,
        observer=steps.observer,
        stop=steps.stop,
        go_on=lock.check if lock is not None else lambda: True,
        tally=steps.tally,
    )
    steps.done = Done(outcomes)
    if lock is not None and not lock.check():
        steps.note(LOST_LOCK)


_JOURNAL = "the journal failed and is incomplete"


def _not_begun(
    all_levels: Iterable[Iterable[Change]], there: dict[Change, Outcome]
) -> tuple[Outcome, ...]:
    """A flow to create was created by someone else: nothing at all is written."""
    return tuple(
        there.get(change, Outcome(change, Status.NOT_ATTEMPTED))
        for level in all_levels
        for change in level
    )


def _recorded(
    recorder: Recorder, done: Done, plan: Plan, struck: tuple[RemovedEntries, ...]
) -> Done:
    """Store the result. Never raises: a failure to do so is part of the result."""
    try:
        recorder.finish(done.outcomes, _word(done), done.restored)
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
    return replace(done, recorded=recorded(plan, struck))


def _word(done: Done) -> str:
    """How the history names the result."""
    if done.interrupted:
        return "interrupted"
    if done.restored:
        return "rolled-back"
    if all(each.status is Status.APPLIED for each in done.outcomes):
        return "applied"
    return "partial" if any(each.written for each in done.outcomes) else "failed"
