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
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[tuple[Outcome, ...], bool]:
    """Carry out all changes, those of a level before those of the next.

    After the first failure nothing more is begun; what is under way is finished. The same happens
    on ``^C``.

    :param write: carries out one change; called from several threads.
    :param go_on: asked before each level; false keeps it and the rest from being attempted.
    :returns: an outcome for each change, in order, and whether the run was interrupted.
    """
    stop = threading.Event()
    interrupted = False

    def guarded(change: Change) -> Outcome:
        if stop.is_set():
            return Outcome(change, Status.NOT_ATTEMPTED)
        outcome = write(change)
        if outcome.status is not Status.APPLIED:
            stop.set()
        observer.done(change.flow_id, describe(outcome), ok=outcome.status is Status.APPLIED)
        return outcome

    outcomes: list[Outcome] = []
    observer.begin(sum(len(level) for level in levels))
    with ThreadPoolExecutor(max_workers=max(1, parallelism)) as pool:
        for level in levels:
            if not stop.is_set() and not go_on():
                stop.set()
            futures = [pool.submit(guarded, change) for change in level]
            interrupted = _wait(futures, stop) or interrupted
            outcomes.extend(future.result() for future in futures)
    observer.end()
    return tuple(outcomes), interrupted


def _wait(futures: Iterable[Future[Outcome]], stop: threading.Event) -> bool:
    """Wait for all; on ``^C`` let nothing new begin, but finish what is under way."""
    interrupted = False
    pending = set(futures)
    while pending:
        try:
            _, pending = wait(pending)
        except KeyboardInterrupt:
            stop.set()
            interrupted = True
    return interrupted


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
