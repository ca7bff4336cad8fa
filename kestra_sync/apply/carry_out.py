"""One apply from the lock to the record: every step that writes, in the order that is safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kestra_sync.apply.interrupt import held_back
from kestra_sync.apply.journal import Journal
from kestra_sync.apply.lock import Lock
from kestra_sync.apply.outcome import Outcome, Status
from kestra_sync.apply.precheck import existing_creates
from kestra_sync.apply.record import Recorder
from kestra_sync.apply.rollback import Restored, roll_back
from kestra_sync.apply.run import run
from kestra_sync.apply.verify import verify
from kestra_sync.apply.writer import Writer
from kestra_sync.errors import ConflictError, RefusedError
from kestra_sync.inventory.origin import Origin
from kestra_sync.inventory.read import Place, read_inventory
from kestra_sync.inventory.record import Inventory
from kestra_sync.kestra.errors import KestraError
from kestra_sync.model import Change, Plan
from kestra_sync.observer import Observer
from kestra_sync.plan.levels import levels


class Owned(Protocol):
    """Our inventory and where it lives; see :class:`kestra_sync.commands.ownership.Ownership`."""

    @property
    def place(self) -> Place: ...

    @property
    def inventory(self) -> Inventory | None: ...

    @property
    def origin(self) -> Origin: ...


class Client(Protocol):
    """The parts of :class:`kestra_sync.kestra.client.KestraClient` that an apply needs."""

    @property
    def flows(self) -> Any: ...

    @property
    def kv(self) -> Any: ...


class HowToApply(Protocol):
    """The options that bear on the writes; see ``commands.apply.ApplyOptions``."""

    @property
    def rollback(self) -> bool: ...

    @property
    def refresh_only(self) -> bool: ...

    @property
    def journal(self) -> str | None: ...


class Proof(Protocol):
    """What the smoke tests say; see :class:`kestra_sync.smoke.result.SmokeResult`."""

    @property
    def red(self) -> bool: ...


#: Runs the flows that were written; told to end by the event.
Prove = Callable[[Sequence[Outcome], threading.Event], Proof | None]


class Pace(Protocol):
    """How many writes go at once, and how long to wait for others (seconds)."""

    @property
    def parallelism(self) -> int: ...

    @property
    def lock_timeout(self) -> float: ...


@dataclass(frozen=True)
class Done:
    """What an apply has done. The members are those of ``commands.apply.ApplyResult``."""

    outcomes: tuple[Outcome, ...] = ()
    restored: tuple[Restored, ...] = ()
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    incomplete: bool = False
    red: bool = False


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
    :raises ConflictError: another apply holds the lock, or ran since the plan was made.
    :raises UsageError: the journal cannot be written.
    :raises KestraError: the lock or the intent could not be stored; no flow was written.
    """
    if not plan.writes or how.refresh_only:
        if owned is not None:
            _record_only(client, plan, owned, pace)
        if prove is None or how.refresh_only:
            return Done()
        with held_back() as stop:
            return _proved(Done(), prove, None, stop)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(how.journal)) if how.journal else None
        lock = None
        if owned is not None:
            lock = stack.enter_context(_locked(client, owned, pace.lock_timeout))
        stop = stack.enter_context(held_back())
        recorder = _recorder(client, owned, plan) if owned is not None else None
        if recorder is not None:
            recorder.intend()
        done = _write(client, plan, pace, observer, journal, lock, stop)
        failed = any(each.status is not Status.APPLIED for each in done.outcomes)
        if prove is not None and not (failed or done.interrupted or done.incomplete):
            observer.end()
            done = _proved(done, prove, lock, stop)
        if how.rollback and (failed or done.red) and not done.interrupted:
            observer.stage("rolling back")
            tell = journal.change if journal is not None else _tell_nobody
            done = replace(
                done, restored=roll_back(client.flows, done.outcomes, observer, journal=tell)
            )
        if recorder is not None:
            done = _recorded(recorder, done, lambda: _overtaken(client, owned, recorder, lock))
        return replace(done, interrupted=stop.is_set())


def _proved(done: Done, prove: Prove, lock: Lock | None, stop: threading.Event) -> Done:
    """Run what was written; the lock renews itself meanwhile."""
    proof = prove(done.outcomes, stop)
    notes = done.notes
    if not notes and lock is not None and not lock.check():
        notes = (_LOST_LOCK,)
    red = proof is not None and proof.red
    return replace(done, red=red, interrupted=stop.is_set(), notes=notes)


def _record_only(client: Client, plan: Plan, owned: Owned, pace: Pace) -> None:
    """Adopt and refresh, under the lock: another apply must not lose its record to this one."""
    recorder = _recorder(client, owned, plan)
    if recorder.stale:
        with _locked(client, owned, pace.lock_timeout):
            recorder.finish((), "adopted")


@contextmanager
def _locked(client: Client, owned: Owned, timeout: float) -> Iterator[Lock]:
    """Hold the lock, with nobody having applied since the plan was made.

    :raises ConflictError: somebody holds it, or somebody did apply.
    """
    lock = Lock(client.kv, owned.place, timeout=timeout)
    try:
        lock.acquire()
        now = read_inventory(client.kv, owned.place)
        then = owned.inventory
        if (now.generation if now else 0) != (then.generation if then else 0):
            raise ConflictError(
                f"another apply of {owned.place.name!r} ran since the plan was made",
                remedy="run the command again: it makes the plan anew",
            )
        yield lock
    finally:
        lock.release()


def _recorder(client: Client, owned: Owned, plan: Plan) -> Recorder:
    return Recorder(client.kv, owned.place, owned.inventory, plan, owned.origin)


def _write(
    client: Client,
    plan: Plan,
    pace: Pace,
    observer: Observer,
    journal: Journal | None,
    lock: Lock | None,
    stop: threading.Event,
) -> Done:
    order = levels(plan.changes)
    for cycle in order.cycles:
        observer.note(f"these flows call each other: {', '.join(map(str, cycle))}")
    there = existing_creates(client.flows, order.levels)
    if there:
        return Done(_not_begun(order.levels, there))
    write = Writer(client.flows).write
    outcomes = run(
        order.stages,
        journal.around(write) if journal is not None else write,
        parallelism=pace.parallelism,
        observer=observer,
        stop=stop,
        go_on=lock.check if lock is not None else lambda: True,
    )
    notes = () if lock is None or lock.check() else (_LOST_LOCK,)
    if stop.is_set():
        return Done(outcomes, interrupted=True, notes=notes)
    observer.stage("looking at the result")
    try:
        outcomes = verify(client.flows, outcomes)
    except KestraError as error:
        notes = (*notes, f"what was written could not be looked at again: {error}")
        return Done(outcomes, notes=notes, incomplete=True)
    return Done(outcomes, notes=notes)


_LOST_LOCK = (
    "the lock was taken away while this run was under way: another apply may have written too"
)


def _not_begun(
    all_levels: Iterable[Iterable[Change]], there: dict[Change, Outcome]
) -> tuple[Outcome, ...]:
    """Somebody created a flow that we meant to create: nothing at all is written."""
    return tuple(
        there.get(change, Outcome(change, Status.NOT_ATTEMPTED))
        for level in all_levels
        for change in level
    )


_OVERTAKEN = (
    "the inventory was not written: another apply has taken over; run apply again to see what is"
    " left to do"
)


def _overtaken(client: Client, owned: Owned | None, recorder: Recorder, lock: Lock | None) -> bool:
    """Whether the lock was lost to an apply that has recorded what it does: ours would hide it."""
    if owned is None or lock is None or lock.check():
        return False
    now = read_inventory(client.kv, owned.place)
    return now is not None and now.generation != recorder.inventory.generation


def _recorded(recorder: Recorder, done: Done, overtaken: Callable[[], bool]) -> Done:
    """Store the result; a failure to do so is part of the result."""
    try:
        if overtaken():
            return replace(done, notes=(*done.notes, _OVERTAKEN), incomplete=True)
        recorder.finish(done.outcomes, _word(done), done.restored)
    except (KestraError, RefusedError) as error:
        note = f"the inventory could not be written ({error}); run apply again to mend it"
        return replace(done, notes=(*done.notes, note), incomplete=True)
    return done


def _word(done: Done) -> str:
    """How the history names the result."""
    if done.interrupted:
        return "interrupted"
    if done.restored:
        return "rolled-back"
    if all(each.status is Status.APPLIED for each in done.outcomes):
        return "applied"
    return "partial" if any(each.written for each in done.outcomes) else "failed"


def _tell_nobody(_change: Change, _event: str) -> None:
    """There is no journal."""
