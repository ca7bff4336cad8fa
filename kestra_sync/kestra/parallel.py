"""Does the same to many things at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """The results, in the order of the items.

    The first failure (or ``^C``) is raised once what is under way is done; the rest is not begun.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="kestra")
    try:
        futures = [pool.submit(work, item) for item in items]
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
