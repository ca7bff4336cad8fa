"""The number of concurrent requests at a server."""

from __future__ import annotations

import threading

from tests.fuzz.small_kestra import Answer

_MOMENT = 0.03
_PATIENCE = 1.0


class AtOnce:
    """For :attr:`SmallKestra.mutate`: counts concurrent requests, and delays each of them.

    A request is over before its answer is sent: the client may send the next one at once.

    :param meet: hold requests until so many were worked on at once, or until it is certain that
        they are not: a busy machine may take more than a moment to send the second one.
    """

    def __init__(self, meet: int | None = None) -> None:
        self._meet = meet
        self._changed = threading.Condition()
        self._running = 0
        self.most = 0
        self.all = 0

    def __call__(self, _route: str, _number: int, answer: Answer) -> Answer:
        with self._changed:
            self._running += 1
            self.all += 1
            self.most = max(self.most, self._running)
            self._changed.notify_all()
            self._changed.wait_for(self._have_met, _MOMENT if self._meet is None else _PATIENCE)
            self._running -= 1
        return answer

    def _have_met(self) -> bool:
        return self._meet is not None and self.most >= self._meet
