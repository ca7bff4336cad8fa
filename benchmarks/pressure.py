"""The effect of fewer concurrent requests on an overloaded server.

``python -m benchmarks.pressure`` creates flows on a small server behind a proxy that behaves as
gateways and databases do under load, once with ``client/parallel.py`` and once without it, and
prints failed writes, refused requests and the time. Only ratios of times mean anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import KestraError
from kestra_sync.client.retry import Backoff
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.proxy import Exchange, FaultProxy, Rule, relay, reply, too_many_requests
from tests.support.sources import log_flow

_FLOWS = 240
_AT_ONCE = 16
_CAPACITY = 4
_SECONDS = 0.02


@dataclass
class Overloaded:
    """Relays up to ``refuse_from`` requests at once; more of them are refused.

    :param refusal: what those get that are too many.
    """

    refusal: Callable[[Exchange], None]
    refuse_from: int
    refused: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self._now += 1
            now = self._now
            too_many = now > self.refuse_from
            self.refused += too_many
        try:
            if too_many:
                time.sleep(_SECONDS)
                self.refusal(exchange)
            else:
                time.sleep(_SECONDS)
                relay(exchange)
        finally:
            with self._lock:
                self._now -= 1


class _Never:
    """Replaces the pressure: allows all requests."""

    def turn(self) -> Any:
        """Nothing to wait for."""
        return nullcontext()

    def refused(self, status: int) -> None:
        """Whatever the server says."""

    def answered(self) -> None:
        """Whatever it says."""


_SERVERS: dict[str, Callable[[], Overloaded]] = {
    "429 with Retry-After beyond 4": lambda: Overloaded(too_many_requests(1), _CAPACITY),
    "503 beyond 8": lambda: Overloaded(reply(503), 2 * _CAPACITY),
    "has room for all": lambda: Overloaded(reply(503), 1000),
}


@contextmanager
def _without() -> Iterator[None]:
    with patch("kestra_sync.client.transport.Pressure", _Never):
        yield


def _run(server: Overloaded) -> tuple[int, float]:
    """Failed writes, and seconds."""
    failed = []
    with SmallKestra() as kestra, FaultProxy(kestra.url) as proxy:
        kestra.begin(State())
        proxy.add(Rule(server, times=None))
        backoff = Backoff(first=0.05, max_pause=0.5, max_retry_after=0.5)
        with KestraClient(
            proxy.url, username="a", password="b", parallelism=_AT_ONCE, backoff=backoff
        ) as client:

            def create(number: int) -> None:
                try:
                    client.flows.create(log_flow("acme", f"f{number}").encode())
                except KestraError:
                    failed.append(number)

            begun = time.monotonic()
            client.map(create, range(_FLOWS), _AT_ONCE)
            return len(failed), time.monotonic() - begun


def main() -> None:
    """Print a row for each server."""
    print(f"{_FLOWS} writes, {_AT_ONCE} at once: failed, refused, time with / without")
    for name, made in _SERVERS.items():
        adaptive = made()
        failed, seconds = _run(adaptive)
        plain = made()
        with _without():
            failed_plain, seconds_plain = _run(plain)
        print(
            f"{name:32} failed {failed:4} / {failed_plain:4}   refused {adaptive.refused:4} / "
            f"{plain.refused:4}   time {seconds / seconds_plain:.2f} of that without"
        )


if __name__ == "__main__":
    main()
