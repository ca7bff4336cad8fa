"""How long to wait before the next attempt."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Backoff:
    """Exponential, with jitter; what the server asks for goes first, up to a limit.

    :param retries: how many attempts after the first one.
    """

    retries: int = 3
    first: float = 0.5
    longest: float = 10.0
    longest_asked: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    # A generator of its own: waiting threads leave the state of the shared one alone.
    jitter: Callable[[], float] = random.Random().random  # noqa: S311 - spreads load, no secret

    def wait(self, attempt: int, asked: float | None = None, end: float | None = None) -> None:
        """Wait after ``attempt`` (from 0) has failed, not beyond ``end`` of the monotonic clock."""
        if asked is not None:
            seconds = min(asked, self.longest_asked)
        else:
            # Half of it is certain, half of it is chance.
            whole = min(self.first * 2.0**attempt, self.longest)
            seconds = whole * (0.5 + self.jitter() / 2)
        if end is not None:
            seconds = min(seconds, end - time.monotonic())
        if seconds > 0:
            self.sleep(seconds)

    def retry_after(self, header: str | None) -> float | None:
        """The seconds that ``Retry-After`` asks for: a number or a date; ``None`` if neither."""
        if header is None:
            return None
        header = header.strip()
        if header.isascii() and header.isdigit():
            return float(header[:9])
        try:
            when = parsedate_to_datetime(header)
        except (ValueError, TypeError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        now = datetime.fromtimestamp(self.clock(), tz=timezone.utc)
        return max(0.0, (when - now).total_seconds())
