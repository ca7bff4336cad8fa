"""HTTP sessions, each used by one thread at a time.

``requests.Session`` is not safe to share between threads. One per thread would leave a session
behind for every short-lived worker; so they are lent out and come back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests


class SessionPool:
    """Lends sessions; makes a new one when all are out."""

    def __init__(self, create: Callable[[], requests.Session]) -> None:
        self._create = create
        self._idle: list[requests.Session] = []
        self._lock = threading.Lock()
        self._closed = 0

    @contextmanager
    def lend(self) -> Iterator[requests.Session]:
        """A session for this thread alone, until the block ends."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
            closed = self._closed
        if session is None:
            session = self._create()
        try:
            yield session
        finally:
            with self._lock:
                current = closed == self._closed
                if current:
                    self._idle.append(session)
            if not current:
                session.close()

    def close(self) -> None:
        """Close the sessions, those that are lent once they come back.

        The pool can be used again after.
        """
        with self._lock:
            idle, self._idle = self._idle, []
            self._closed += 1
        for session in idle:
            session.close()
