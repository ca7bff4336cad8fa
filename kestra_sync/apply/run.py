"""Runs the writes of a plan in dependency order, and stops at a failure."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

from kestra_sync.apply.outcome import ChangeStatus, Outcome
from kestra_sync.client.parallel import threads
from kestra_sync.model import Action, Change, FlowId
from kestra_sync.observer import Observer, SafeObserver
from kestra_sync.plan.order import Stage, turned

LOG = logging.getLogger(__name__)

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DELETE: "deleted",
}
#: Seconds between two questions whether to go on.
_ASK = 5.0


class Tally:
    """The outcome of each change so far.

    It is kept outside of the run: whatever ends a run early, what it has written is known.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._changes = tuple(
            change for stage in stages for level in stage.levels for change in level
        )
        self._begun: set[FlowId] = set()
        self._done: dict[FlowId, Outcome] = {}

    @property
    def total(self) -> int:
        """How many changes there are."""
        return len(self._changes)

    @property
    def begun(self) -> bool:
        """Whether anything may have been written."""
        return bool(self._begun)

    def attempt(self, write: Callable[[Change], Outcome], change: Change) -> Outcome:
        """The outcome of one write, even of a bug: it must not cost the record of the others."""
        self._begun.add(change.flow_id)
        try:
            outcome = write(change)
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
            known = error if isinstance(error, Exception) else None
            outcome = Outcome(
                change, ChangeStatus.FAILED, message=message, error=known, unsure=True
            )
        self._done[change.flow_id] = outcome
        return outcome

    def outcomes(self, why: str = "") -> tuple[Outcome, ...]:
        """An outcome for each change, in the order of the levels.

        :param why: what kept the rest from being attempted; ``""`` if that is reported elsewhere.
        """
        return tuple(self._outcome(change, why) for change in self._changes)

    def _outcome(self, change: Change, why: str) -> Outcome:
        done = self._done.get(change.flow_id)
        if done is not None:
            return done
        if change.flow_id in self._begun:
            words = "the run was interrupted before the response arrived"
            return Outcome(change, ChangeStatus.FAILED, message=words, unsure=True)
        return Outcome(change, ChangeStatus.NOT_ATTEMPTED, message=why)


def run(
    stages: Sequence[Stage],
    write: Callable[[Change], Outcome],
    *,
    parallelism: int,
    observer: Observer,
    stop: threading.Event | None = None,
    go_on: Callable[[], bool] = lambda: True,
    tally: Tally | None = None,
) -> tuple[Outcome, ...]:
    """Carry out all changes, each as soon as those it waits for are done.

    After the first failure nothing more is begun; requests that were sent are finished. The same
    happens once ``stop`` is set. Never raises: whatever throws, the outcomes say what was written.

    :param write: carries out one change; called from several threads.
    :param stop: set from outside to end the run; see :func:`held_back`.
    :param go_on: asked before the first write of each level and every few seconds; false keeps
        what is left from being attempted.
    :param tally: has the outcomes so far, for a caller that is interrupted itself.
    :returns: an outcome for each change, in the order of the levels.
    """
    failed = threading.Event()
    stop = stop if stop is not None else threading.Event()
    tally = tally if tally is not None else Tally(stages)
    observer = SafeObserver(observer)

    def stopped() -> bool:
        return failed.is_set() or stop.is_set()

    def guarded(change: Change) -> Outcome:
        if stopped():
            return Outcome(change, ChangeStatus.NOT_ATTEMPTED)
        outcome = tally.attempt(write, change)
        if outcome.status is not ChangeStatus.APPLIED:
            failed.set()
        observer.done(change.flow_id, describe(outcome), ok=outcome.status is ChangeStatus.APPLIED)
        return outcome

    def ask() -> None:
        if not stopped() and not go_on():
            failed.set()

    why = ""
    observer.begin(tally.total)
    try:
        with threads(parallelism) as pool:

            def begin(change: Change) -> Future[Outcome]:
                return pool.submit(guarded, change)

            try:
                for stage in stages:
                    for _ in _walk(stage, begin, ask):
                        pass
            except BaseException:
                failed.set()  # before the pool waits for what it was given
                raise
    except KeyboardInterrupt:  # a second ^C: nothing more is begun, what was written is recorded
        stop.set()
    except BaseException as error:
        why = f"the run failed: {type(error).__name__}: {error}"
        LOG.debug("the run failed", exc_info=error)
    observer.end()
    return tally.outcomes(why)


def _walk(
    stage: Stage, begin: Callable[[Change], Future[Outcome]], ask: Callable[[], None]
) -> Iterator[Outcome]:
    """Begin each change of a stage once it waits for nothing; the outcomes, as they come."""
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
    queue = _Queue(stage)
    ready = queue.ready()
    asked = time.monotonic()
    while queue.left:
        for change, is_first in ready:
            if is_first:
                ask()
            begin(change).add_done_callback(finished.put)
        ready = ()
        if time.monotonic() - asked > _ASK:
            ask()
            asked = time.monotonic()
        outcome = _next(finished)
        if outcome is not None:
            ready = queue.after(outcome.change.flow_id)
            yield outcome


class _Queue:
    """The changes of a stage that are not done yet, and what they wait for."""

    def __init__(self, stage: Stage) -> None:
        self._level = {
            change.flow_id: number for number, level in enumerate(stage.levels) for change in level
        }
        self._changes = {each.flow_id: each for level in stage.levels for each in level}
        self._waits = {each: len(others) for each, others in stage.waits.items()}
        self._next = turned(stage.waits)
        self._deepest = -1
        self.left = len(self._changes)

    def ready(self) -> Iterable[tuple[Change, bool]]:
        """What waits for nothing, and whether it is the first of its level.

        What others wait for comes first: else they would be left over, with nothing beside them.
        """
        ready = (each for each, waits in self._waits.items() if not waits)
        return self._begin(sorted(ready, key=lambda each: not self._next[each]))

    def after(self, flow_id: FlowId) -> Iterable[tuple[Change, bool]]:
        """What can begin now that one more is done."""
        self.left -= 1
        ready = []
        for other in self._next[flow_id]:
            self._waits[other] -= 1
            if not self._waits[other]:
                ready.append(other)
        return self._begin(ready)

    def _begin(self, ready: Iterable[FlowId]) -> Iterator[tuple[Change, bool]]:
        for flow_id in ready:
            is_first = self._level[flow_id] > self._deepest
            self._deepest = max(self._deepest, self._level[flow_id])
            yield self._changes[flow_id], is_first


def _next(finished: SimpleQueue[Future[Outcome]]) -> Outcome | None:
    """What is done next; ``None`` now and then: on Windows signals are only heard in between."""
    try:
        return finished.get(timeout=0.5).result()
    except Empty:
        return None


def describe(outcome: Outcome) -> str:
    """One line on how a change ended."""
    if outcome.status is ChangeStatus.NOT_ATTEMPTED:
        return f"not attempted: {outcome.message}" if outcome.message else "not attempted"
    if outcome.status is not ChangeStatus.APPLIED:
        return f"{outcome.status}: {outcome.message}"
    words = _DONE[outcome.change.action]
    if outcome.revision is not None and outcome.change.action is not Action.DELETE:
        words += f", revision {outcome.revision}"
    return f"{words} ({outcome.message})" if outcome.message else words


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back(stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Delay ``^C`` and SIGTERM while writes are running, so that they are completed and recorded.

    CI systems cancel a job with one signal and, seconds later, another: the second must not cost
    the record. Only a second ``^C``, which is a person who means it, ends the run at once.

    :param stop: the event to set when the run should end; by default a new one. Only the main
        thread receives signals: in other threads the event stays unset.
    """
    stop = stop if stop is not None else threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {each: signal.signal(each, handle) for each in _SIGNALS}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)
