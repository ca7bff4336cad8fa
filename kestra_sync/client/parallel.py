"""Many requests at once: the only place that starts threads for them, and how many may run.

A server that answers 429 or 503 is not helped by more of them. So fewer are let through at once,
and more again as it recovers. Requests wait their turn; none is lost. ``benchmarks/pressure.py``
shows the effect: few writes fail where most of a gateway's refusals would be final.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """The results, in the order of the items.

    The first failure (or ``^C``) is raised once running calls are done; the rest is not started.
    """
    with threads(workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        return [future.result() for future in futures]


@contextmanager
def threads(most: int) -> Iterator[Executor]:
    """Up to ``most`` threads that carry out calls until the block ends.

    However it ends, with ``^C`` too: running calls are finished, the rest is not started.
    """
    from concurrent.futures import ThreadPoolExecutor  # a run without changes needs none

    pool = ThreadPoolExecutor(max(1, most), thread_name_prefix="kestra")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_background(work: Callable[[], T]) -> Callable[[], T]:
    """Begin ``work``; what is returned is called once: it waits, and gives the result or raises.

    Work that is not waited for does not keep the process from ending: it is abandoned.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="kestra-early", daemon=True)
    thread.start()

    def result() -> T:
        while thread.is_alive():
            thread.join(0.5)  # and wake up: on Windows signals are only heard in between
        if errors:
            raise errors[0]
        return results.pop()  # which may be large, and not be needed for long

    return result


LOG = logging.getLogger("kestra_sync.client")

_GOOD = 16
"""Good answers after which one more is let through."""


class Pressure:
    """Shared by all threads that talk to one server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._limit: int | None = None
        self._in_progress = 0
        self._most = 0
        self._good = 0
        self._calm = 0

    @property
    def limit(self) -> int | None:
        """How many are sent at once; ``None`` for no limit."""
        return self._limit

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and take it until the block ends."""
        with self._changed:
            while self._limit is not None and self._in_progress >= self._limit:
                self._changed.wait(0.5)  # and wake up: on Windows signals are only heard between
            self._in_progress += 1
            self._most = max(self._most, self._in_progress)
        try:
            yield
        finally:
            with self._changed:
                self._in_progress -= 1
                self._changed.notify()

    def refused(self, status: int) -> None:
        """The server turned a request away: half as many from now on, down to one."""
        with self._changed:
            self._calm = max(0, self._calm - 1)
            if self._calm:
                return  # those that were running when we slowed down
            self._slow_down(max(1, self._now() // 2), status)

    def answered(self) -> None:
        """The server did what it was asked for."""
        with self._changed:
            self._calm = max(0, self._calm - 1)
            self._recover()

    def _now(self) -> int:
        """How many there are at once: as many as may be, or as are."""
        return max(1, self._in_progress if self._limit is None else self._limit)

    def _slow_down(self, limit: int, status: int) -> None:
        if limit != self._limit:
            words = "the server is overloaded (%d): reducing to %d concurrent requests"
            LOG.info(words, status, limit)
        self._limit = limit
        self._good = 0
        self._calm = 2 * self._most  # running requests still reflect the state before

    def _recover(self) -> None:
        if self._limit is None:
            return
        self._good += 1
        if self._good >= _GOOD:
            self._good = 0
            self._limit += 1
            self._changed.notify()
            if self._limit >= self._most:
                LOG.info("the server has recovered: no longer reducing concurrent requests")
                self._limit = None
                self._changed.notify_all()
