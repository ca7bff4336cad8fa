"""Runs the writes of a plan in dependency order until one fails, and returns their outcomes."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING

from kestra_sync.client.parallel import threads
from kestra_sync.errors import ExitCode
from kestra_sync.model import Action, Change, FlowId, Kind, StrEnum
from kestra_sync.observer import Observer, SafeObserver
from kestra_sync.plan.order import Stage, inverted

if TYPE_CHECKING:
    from concurrent.futures import Future  # entered with the first threads


class ChangeStatus(StrEnum):
    """How a change ended; stable in the JSON."""

    APPLIED = "applied"
    FAILED = "failed"
    CONFLICT = "conflict"
    NOT_ATTEMPTED = "not-attempted"


@dataclass(frozen=True)
class Outcome:
    """One change and how it ended.

    :param revision: the revision that the server has now, where it is known.
    :param message: what went wrong, or a note; may be ``""``.
    :param error: the exception behind a failure.
    :param unsure: the write may have happened although it could not be confirmed.
    :param written: this run's write succeeded, regardless of writes by others before or after it.
    """

    change: Change
    status: ChangeStatus
    revision: int | None = None
    message: str = ""
    error: Exception | None = None
    unsure: bool = False
    written: bool = False


class RollbackStatus(StrEnum):
    """How the rollback of one write ended; stable in the JSON."""

    RESTORED = "restored"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True)
class Restored:
    """One write to roll back.

    :param revision: the server's revision of the restored source, where there is one.
    :param message: why it could not be rolled back, or another note.
    """

    change: Change
    status: RollbackStatus
    revision: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Done:
    """The result of an apply.

    :param outcomes: one for each write of the plan; empty if nothing was attempted.
    :param restored: the rollback of each write after a failure, successful or not.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    :param notes: additional messages, such as a record that could not be stored.
    :param incomplete: something other than a flow could not be written: the record.
    :param tests_failed: a smoke test failed, running them crashed, or a trigger that was to be
        verified is not as expected.
    :param recorded: what was recorded in addition to the writes, one sentence each.
    """

    outcomes: tuple[Outcome, ...] = ()
    restored: tuple[Restored, ...] = ()
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    incomplete: bool = False
    tests_failed: bool = False
    recorded: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The result, as the history of the inventory names it."""
        if self.interrupted:
            return "interrupted"
        if self.restored:
            return "rolled-back"
        if all(each.status is ChangeStatus.APPLIED for each in self.outcomes):
            return "applied"
        return "partial" if any(each.written for each in self.outcomes) else "failed"

    def exit_code(self, *, tests_failed: bool = False) -> ExitCode:
        """Return the exit code, unless the run was interrupted.

        :param tests_failed: the smoke tests failed.
        """
        tests_failed = tests_failed or self.tests_failed
        if self.restored:
            code = rollback_code(
                self.restored, ExitCode.SMOKE_FAILED if tests_failed else ExitCode.FAILURE
            )
        else:
            code = exit_code(self.outcomes)
            if tests_failed and code is ExitCode.OK:
                code = ExitCode.SMOKE_FAILED
        half = code in (ExitCode.OK, ExitCode.SMOKE_FAILED) or bool(self.restored)
        return ExitCode.PARTIAL if half and self.incomplete else code


def exit_code(outcomes: tuple[Outcome, ...]) -> ExitCode:
    """Return the exit code of a run with these outcomes.

    A conflict takes precedence over a partial apply: its remedy, to review the other edit, comes
    first.
    """
    by_status = {
        status: [each for each in outcomes if each.status is status] for status in ChangeStatus
    }
    failed = by_status[ChangeStatus.FAILED]
    if by_status[ChangeStatus.CONFLICT] and not failed:
        return ExitCode.CONFLICT
    if failed:
        if by_status[ChangeStatus.APPLIED] or any(each.written or each.unsure for each in outcomes):
            return ExitCode.PARTIAL
        codes = {getattr(each.error, "exit_code", ExitCode.FAILURE) for each in failed}
        return codes.pop() if len(codes) == 1 else ExitCode.FAILURE
    return ExitCode.PARTIAL if by_status[ChangeStatus.NOT_ATTEMPTED] else ExitCode.OK


def rollback_code(results: Iterable[Restored], failure: ExitCode) -> ExitCode:
    """Return ``failure`` if everything was rolled back, else 6: some changes remain."""
    complete = all(each.status is RollbackStatus.RESTORED for each in results)
    return failure if complete else ExitCode.PARTIAL


LOG = logging.getLogger(__name__)

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DELETE: "deleted",
}
#: Seconds between two checks of whether to continue.
_CHECK_INTERVAL = 5.0


class Tally:
    """The outcome of each change so far.

    It is kept outside of the run, so what was written is known however the run ends.
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
        """Run one write and return its outcome, even if it crashes: the others must be recorded."""
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
        """Return an outcome for each change, in the order of the levels.

        :param why: why the rest was not attempted; ``""`` if that is reported elsewhere.
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
    """Carry out all changes, each as soon as the changes it depends on are done.

    After the first failure, or once ``stop`` is set, no further change is started; requests that
    were sent are completed. Never raises: after any exception the outcomes show what was written.

    :param write: carries out one change; called from several threads.
    :param stop: set by the caller to end the run; see :func:`defer_signals`.
    :param go_on: called before the first write of each level and every few seconds; if it
        returns false, the remaining changes are not attempted.
    :param tally: collects the outcomes, for a caller that may itself be interrupted.
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
        observer.done(
            change.flow_id, describe_outcome(outcome), ok=outcome.status is ChangeStatus.APPLIED
        )
        return outcome

    def check_go_on() -> None:
        if not stopped() and not go_on():
            failed.set()

    why = ""
    observer.begin(tally.total)
    try:
        with threads(parallelism) as pool:
            try:
                for stage in stages:
                    _walk(stage, lambda change: pool.submit(guarded, change), check_go_on)
            except BaseException:
                failed.set()  # before the pool waits for the submitted changes
                raise
    except KeyboardInterrupt:  # a second ^C: start nothing more, record what was written
        stop.set()
    except BaseException as error:
        why = f"the run failed: {type(error).__name__}: {error}"
        LOG.debug("the run failed", exc_info=error)
    observer.end()
    return tally.outcomes(why)


def first_updates(stages: Sequence[Stage], parallelism: int) -> tuple[FlowId, ...]:
    """Return the flows that :func:`run` updates first, leaving two requests for other reads."""
    ready = [each for each, _ in _Queue(stages[0]).ready()] if stages else []
    updates = (each for each in ready[:parallelism] if each.action is Action.UPDATE)
    names = [each.flow_id for each in updates if each.flow_id.kind is Kind.FLOW]
    return tuple(names[: max(0, parallelism - 2)])


def _walk(
    stage: Stage, begin: Callable[[Change], Future[Outcome]], check_go_on: Callable[[], None]
) -> None:
    """Start each change of a stage once its dependencies are done, until all are done."""
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
    queue = _Queue(stage)
    ready = queue.ready()
    checked = time.monotonic()
    while queue.left:
        for change, is_first in ready:
            if is_first:
                check_go_on()
            begin(change).add_done_callback(finished.put)
        ready = ()
        if time.monotonic() - checked > _CHECK_INTERVAL:
            check_go_on()
            checked = time.monotonic()
        outcome = _next(finished)
        if outcome is not None:
            ready = queue.after(outcome.change.flow_id)


class _Queue:
    """The changes of a stage that are not done yet, and their dependencies."""

    def __init__(self, stage: Stage) -> None:
        self._level = {
            change.flow_id: number for number, level in enumerate(stage.levels) for change in level
        }
        self._changes = {each.flow_id: each for level in stage.levels for each in level}
        self._waits = {each: len(others) for each, others in stage.waits.items()}
        self._next = inverted(stage.waits)
        self._deepest = -1
        self.left = len(self._changes)

    def ready(self) -> Iterable[tuple[Change, bool]]:
        """Return the changes without dependencies, and whether each is the first of its level.

        Changes that others depend on come first: their dependents would otherwise run alone later.
        """
        ready = (each for each, waits in self._waits.items() if not waits)
        return self._begin(sorted(ready, key=lambda each: not self._next[each]))

    def after(self, flow_id: FlowId) -> Iterable[tuple[Change, bool]]:
        """Return the changes that can start now that ``flow_id`` is done."""
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
    """Return the next outcome; ``None`` every half second, so that Windows handles signals."""
    try:
        return finished.get(timeout=0.5).result()
    except Empty:
        return None


def describe_outcome(outcome: Outcome) -> str:
    """Return one line about how a change ended."""
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
def defer_signals(stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Delay ``^C`` and SIGTERM while writes are running, so that they are completed and recorded.

    CI systems cancel a job with one signal and, seconds later, another: the second must not cost
    the record. Only a second ``^C``, which comes from a person, ends the run at once.

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
