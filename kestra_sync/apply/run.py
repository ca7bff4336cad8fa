"""Runs the writes of a plan: level by level, in parallel within one, and stops at a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from kestra_sync.apply.outcome import Outcome, Status
from kestra_sync.model import Action, Change
from kestra_sync.observer import Observer

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DELETE: "deleted",
}


def run(
    levels: Sequence[Sequence[Change]],
    write: Callable[[Change], Outcome],
    *,
    parallelism: int,
    observer: Observer,
    stop: threading.Event | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[Outcome, ...]:
    """Carry out all changes, those of a level before those of the next.

    After the first failure nothing more is begun; what is under way is finished. The same happens
    once ``stop`` is set.

    :param write: carries out one change; called from several threads.
    :param stop: set from outside to end the run; see :mod:`kestra_sync.apply.interrupt`.
    :param go_on: asked before each level; false keeps it and the rest from being attempted.
    :returns: an outcome for each change, in order.
    """
    failed = threading.Event()
    stop = stop if stop is not None else threading.Event()

    def stopped() -> bool:
        return failed.is_set() or stop.is_set()

    def guarded(change: Change) -> Outcome:
        if stopped():
            return Outcome(change, Status.NOT_ATTEMPTED)
        outcome = _survived(write, change)
        if outcome.status is not Status.APPLIED:
            failed.set()
        observer.done(change.flow_id, describe(outcome), ok=outcome.status is Status.APPLIED)
        return outcome

    outcomes: list[Outcome] = []
    observer.begin(sum(len(level) for level in levels))
    with ThreadPoolExecutor(max_workers=max(1, parallelism)) as pool:
        for level in levels:
            if not stopped() and not go_on():
                failed.set()
            try:
                futures = [pool.submit(guarded, change) for change in level]
                _wait(futures)
            except KeyboardInterrupt:  # a second ^C: nothing more is begun, nothing recorded
                stop.set()
                raise
            outcomes.extend(future.result() for future in futures)
    observer.end()
    return tuple(outcomes)


def _survived(write: Callable[[Change], Outcome], change: Change) -> Outcome:
    """The outcome even of a bug: it must not cost the report and the record of all the others."""
    try:
        return write(change)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Outcome(change, Status.FAILED, message=message, error=error, unsure=True)


def _wait(futures: Iterable[Future[Outcome]]) -> None:
    """Wait for all, and wake up now and then: on Windows signals are only heard in between."""
    pending = set(futures)
    while pending:
        _, pending = wait(pending, timeout=0.5)


def describe(outcome: Outcome) -> str:
    """One line on how a change ended."""
    if outcome.status is Status.NOT_ATTEMPTED:
        return "not attempted"
    if outcome.status is not Status.APPLIED:
        return f"{outcome.status}: {outcome.message}"
    words = _DONE[outcome.change.action]
    if outcome.revision is not None and outcome.change.action is not Action.DELETE:
        words += f", revision {outcome.revision}"
    return f"{words} ({outcome.message})" if outcome.message else words
