"""Limits concurrent requests: as many as requested, until the server is overloaded.

A server that answers 429 or 503, or takes much longer over writes than it used to, is not helped by
more of them. So fewer are let through at once, and more again as it recovers. Requests wait their
turn; none is lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LOG = logging.getLogger("kestra_sync.client")

_ENOUGH = 32
"""Answers before it is known how long they usually take."""
_SLOW = 3.0
"""So many times the usual is slow, unless it is still quick:"""
_QUICK = 0.1
_GOOD = 16
"""Good answers after which one more is let through."""
_LEAST = 2
"""Slowness alone may have other causes: it never makes us go one by one."""


class Pressure:
    """Shared by all threads that talk to one server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._limit: int | None = None
        self._under_way = 0
        self._most = 0
        self._good = 0
        self._calm = 0
        self._times: dict[str, _Times] = {}

    @property
    def limit(self) -> int | None:
        """How many are let through at once; ``None`` while nothing speaks against more."""
        return self._limit

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and take it until the block ends."""
        with self._changed:
            while self._limit is not None and self._under_way >= self._limit:
                self._changed.wait(0.5)  # and wake up: on Windows signals are only heard between
            self._under_way += 1
            self._most = max(self._most, self._under_way)
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def refused(self, status: int) -> None:
        """The server turned a request away: half as many from now on, down to one."""
        with self._changed:
            self._calm = max(0, self._calm - 1)
            if self._calm:
                return  # those that were running when we slowed down
            self._slow_down(max(1, self._now() // 2), f"it answers {status}")

    def answered(self, kind: str | None, seconds: float) -> None:
        """The server did what it was asked for.

        :param kind: what took that long, for what is alike; ``None`` for what never is.
        """
        with self._changed:
            times = None if kind is None else self._times.setdefault(kind, _Times())
            slow = times is not None and times.slow(seconds)
            self._calm = max(0, self._calm - 1)
            if not slow:
                self._recover()
            elif not self._calm and self._now() > _LEAST:
                self._slow_down(max(_LEAST, self._now() * 3 // 4), "its responses take much longer")

    def _now(self) -> int:
        """How many there are at once: as many as may be, or as are."""
        return max(1, self._under_way if self._limit is None else self._limit)

    def _slow_down(self, limit: int, why: str) -> None:
        if limit != self._limit:
            LOG.info("the server is under pressure (%s): %d concurrent requests", why, limit)
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
                LOG.info("the server has recovered: as many requests as before")
                self._limit = None
                self._changed.notify_all()


class _Times:
    """How long answers of one kind take, usually and of late."""

    def __init__(self) -> None:
        self._count = 0
        self._usual = 0.0
        self._late = 0.0

    def slow(self, seconds: float) -> bool:
        """Take note of one; whether they take much longer of late."""
        self._count += 1
        # At first the mean of all; then the usual follows slowly, a server that ages is not slow.
        self._usual += (seconds - self._usual) / min(self._count, 500)
        self._late += (seconds - self._late) / min(self._count, 10)
        return self._count > _ENOUGH and self._late > max(_QUICK, _SLOW * self._usual)
