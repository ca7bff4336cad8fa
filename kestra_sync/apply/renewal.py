"""Keeps the lock while something slow goes on that does not look after it itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kestra_sync.apply.lock import TTL, Lock


@contextmanager
def kept_alive(lock: Lock | None, *, every: float = TTL / 4) -> Iterator[None]:
    """Renew ``lock`` every ``every`` seconds, from a thread of its own; nothing without a lock.

    Whether it was lost meanwhile, a look at the lock afterwards tells.
    """
    if lock is None:
        yield
        return
    over = threading.Event()

    def renew() -> None:
        while not over.wait(every):
            lock.check()

    thread = threading.Thread(target=renew, name="lock-renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(every)
