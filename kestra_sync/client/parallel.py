"""Runs calls in parallel: the only place that starts threads for requests."""

from __future__ import annotations

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
