"""Runs concurrent requests: the only place that starts threads for them and limits their number.

If a server responds with 429 or 503, fewer requests are sent at a time, and more again as it
recovers. Requests wait for a slot; none is lost. ``benchmarks/pressure.py`` shows the effect: few
writes fail where most rejections by a gateway would be final.
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
    """Call ``work`` for each item and return the results, in the order of the items.

    The first failure (or ``^C``) is raised once running calls are done; the rest is not started.
    """
    with threads(workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        return [future.result() for future in futures]


@contextmanager
def threads(workers: int) -> Iterator[Executor]:
    """Provide up to ``workers`` threads until the block ends.

    However the block ends, also with ``^C``: running calls are completed, the rest is not started.
    """
    from concurrent.futures import ThreadPoolExecutor  # a run without changes needs none

    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="kestra")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_background(work: Callable[[], T]) -> Callable[[], T]:
    """Start ``work`` in a thread; return a function that waits for its result, to be called once.

    Work whose result is never requested does not keep the process from ending: it is abandoned.
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
            thread.join(0.5)  # wakes up regularly, so that Windows can handle signals
        if errors:
            raise errors[0]
        return results.pop()  # drop the reference: the result may be large

    return result


LOG = logging.getLogger("kestra_sync.client")

_GOOD = 16
"""Successful responses after which the limit is raised by one."""


class Pressure:
    """Limits concurrent requests to an overloaded server. Shared by all threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._limit: int | None = None
        self._in_progress = 0
        self._most = 0
        self._good = 0
        self._calm = 0

    @property
    def limit(self) -> int | None:
        """The maximum number of concurrent requests; ``None`` for no limit."""
        return self._limit

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a slot, and occupy it until the block ends."""
        with self._changed:
            while self._limit is not None and self._in_progress >= self._limit:
                self._changed.wait(0.5)  # wakes up regularly: Windows handles signals only then
            self._in_progress += 1
            self._most = max(self._most, self._in_progress)
        try:
            yield
        finally:
            with self._changed:
                self._in_progress -= 1
                self._changed.notify()

    def refused(self, status: int) -> None:
        """Halve the limit, down to one: the server rejected a request."""
        with self._changed:
            self._calm = max(0, self._calm - 1)
            if self._calm:
                return  # a request that was already running when the limit was reduced
            self._slow_down(max(1, self._now() // 2), status)

    def answered(self) -> None:
        """Count a successful response, and raise the limit if there were enough."""
        with self._changed:
            self._calm = max(0, self._calm - 1)
            self._recover()

    def _now(self) -> int:
        """Return the current concurrency: the limit, or the number of running requests."""
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
