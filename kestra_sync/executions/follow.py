"""Follows an execution to its end or a deadline, even while the server is unreachable."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from kestra_sync.client.errors import Forbidden, KestraError, NotFound, Unauthorized
from kestra_sync.client.execution import Execution
from kestra_sync.client.follow import FollowTimeout
from kestra_sync.executions.server import ExecutionCalls

LOG = logging.getLogger(__name__)

#: A new execution is queued first, and can be read a moment later.
_APPEARS_WITHIN = 15.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 3.0
#: How long to rely on a stream before polling; increases up to the client's own limit.
_FIRST_LOOK = 3.0
_LONGEST_LOOK = 20.0


class StillRunning(Exception):  # noqa: N818 - an ending among others
    """The deadline has passed, or a stop was requested, and the execution is still running.

    :param execution: in its last known state.
    """

    def __init__(self, execution: Execution) -> None:
        super().__init__(execution.id)
        self.execution = execution


@dataclass(frozen=True)
class Clock:
    """The clock; replaced in tests."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()


def follow_to_end(
    executions: ExecutionCalls,
    started: Execution,
    *,
    deadline: float,
    on_change: Callable[[Execution], None],
    stop: threading.Event | None = None,
    clock: Clock = CLOCK,
) -> Execution:
    """Follow an execution and return it in its final state.

    A server that cannot be reached may come back, with the execution still running: only the
    deadline ends the wait.

    :param stop: ends the wait when set.
    :raises StillRunning: the deadline has passed, or ``stop`` is set.
    :raises NotFound: the execution was deleted.
    :raises KestraError: these credentials may not read executions.
    """
    last = started
    begun = clock.now()
    pause, look = _FIRST_PAUSE, _FIRST_LOOK
    found = False
    while True:
        left = deadline - clock.now()
        if left <= 0 or (stop is not None and stop.is_set() and not last.is_final):
            raise StillRunning(last)
        try:
            for seen in executions.follow(started.id, timeout=min(left, look)):
                last, found, pause = seen, True, _FIRST_PAUSE
                on_change(seen)
                if stop is not None and stop.is_set():
                    break
            if last.is_final:
                return last
            continue
        except FollowTimeout as timeout:
            last, look = timeout.execution, min(look * 1.5, _LONGEST_LOOK)
            continue
        except NotFound:
            if found or clock.now() - begun > _APPEARS_WITHIN:
                raise
        except (Unauthorized, Forbidden):
            raise
        except KestraError as error:
            LOG.debug("following %s: %s", started.id, error)
        clock.sleep(max(0.0, min(pause, deadline - clock.now())))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def await_end(
    executions: ExecutionCalls, execution: Execution, *, seconds: float, clock: Clock = CLOCK
) -> Execution:
    """Wait for the end of an execution, at most ``seconds``, and return it. Never raises.

    Polls: used for executions that end immediately or not at all.
    """
    last = execution
    deadline = clock.now() + seconds
    pause = 0.05
    while True:
        try:
            last = executions.get(execution.id)
        except NotFound:
            return last
        except KestraError as error:
            LOG.debug("waiting for %s: %s", execution.id, error)
        left = deadline - clock.now()
        if last.is_final or left <= 0:
            return last
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, 1.0)
