"""Follows an execution to its end.

Events of the stream only trigger a plain read, which has the result. So a stream that breaks,
stalls, is cut by a proxy or is not available only costs time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kestra_sync.client.errors import KestraError, Unauthorized, UnexpectedAnswer, Unreachable
from kestra_sync.client.execution import Execution, execution_of
from kestra_sync.client.request import Request
from kestra_sync.client.transport import LOG, Transport

MAX_EVENT = 64 * 1024 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    """One event: its id is its kind (``start``, ``progress``, ``end``)."""

    id: str = ""
    data: str = ""
    event: str = "message"


def read_events(chunks: Iterable[bytes], limit: int = MAX_EVENT) -> Iterator[Event]:
    """Parse the events of a stream of chunks. An incomplete last event is dropped.

    :raises UnexpectedAnswer: an event exceeds the limit.
    """
    fields: dict[str, list[str]] = {}
    size = 0
    for line in _lines(chunks, limit):
        size += len(line)
        if size > limit:
            raise UnexpectedAnswer(f"an event in the stream is larger than {limit} bytes")
        if line:
            name, _, value = line.decode("utf-8", errors="replace").partition(":")
            # A line without a name is a comment, which servers send as a keepalive.
            if name:
                fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields or "id" in fields:
            yield Event(
                id=fields.get("id", [""])[-1],
                data="\n".join(fields.get("data", [])),
                event=fields.get("event", ["message"])[-1],
            )
        fields, size = {}, 0


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    pending = bytearray()
    first = True
    for chunk in chunks:
        if first and chunk:
            chunk, first = chunk.removeprefix(b"\xef\xbb\xbf"), False
        pending += chunk
        start = 0
        for match in _LINE_END.finditer(pending):
            # A CR at the very end may be half of a CRLF: wait for what follows.
            if match.group() == b"\r" and match.end() == len(pending):
                break
            yield bytes(pending[start : match.start()])
            start = match.end()
        del pending[:start]
        if len(pending) > limit:
            raise UnexpectedAnswer(f"an event in the stream is larger than {limit} bytes")


STREAM = "text/event-stream"
STREAM_TIMEOUT = 20.0
"""Seconds after which the execution is read, whatever the stream sends in the meantime."""
LEAST = 1.0
"""Seconds for a last read after the timeout."""


class FollowTimeout(KestraError):  # noqa: N818 - as the other errors
    """The execution did not end within the timeout. It continues.

    :param execution: as it was last read.
    """

    def __init__(self, execution: Execution, seconds: float) -> None:
        super().__init__(
            f"execution {execution.id} is still {execution.state} after {seconds:g} seconds"
        )
        self.execution = execution


@dataclass(frozen=True)
class PollInterval:
    """The intervals between reads: short at first, then longer."""

    first: float = 0.25
    max_pause: float = 5.0
    factor: float = 1.5
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


DEFAULT_POLL_INTERVAL = PollInterval()


def follow_execution(
    transport: Transport,
    path: str,
    get: Callable[[float | None], Execution],
    *,
    timeout: float | None,
    pace: PollInterval,
) -> Iterator[Execution]:
    """Yield the execution whenever it has changed, the last time in a final state.

    :param get: reads the execution, within a number of seconds.
    :raises NotFound: no such execution; raised by a read before any stream.
    :raises FollowTimeout: it has not ended after ``timeout`` seconds.
    """
    deadline = None if timeout is None else pace.clock() + timeout
    current = get(timeout)
    yield current
    pause = pace.first
    while not current.is_final:
        left = None if deadline is None else deadline - pace.clock()
        if left is not None and left <= 0:
            raise FollowTimeout(current, timeout or 0.0)
        changed = False
        for seen in _streamed(transport, path, left):
            if seen.is_final:
                break  # the read below gets the final state
            if _changed(current, seen):
                current, changed = seen, True
                yield current
            if deadline is not None and pace.clock() >= deadline:
                break
        left = None if deadline is None else deadline - pace.clock()
        try:
            latest = get(left if left is None else max(LEAST, left))
        except Unreachable as error:
            if deadline is not None and error.too_slow and pace.clock() >= deadline:
                raise FollowTimeout(current, timeout or 0.0) from error
            raise
        if latest.is_final or _changed(current, latest):
            current, changed = latest, True
            yield current
        if not current.is_final:
            pause = pace.first if changed else min(pause * pace.factor, pace.max_pause)
            left = pause if deadline is None else deadline - pace.clock()
            pace.sleep(max(0.0, min(pause, left)))


def _streamed(transport: Transport, path: str, left: float | None) -> Iterator[Execution]:
    """Yield the executions in the stream, until it ends for any reason."""
    seconds = STREAM_TIMEOUT if left is None else max(0.1, min(STREAM_TIMEOUT, left))
    request = Request(
        "GET",
        path,
        accept=STREAM,
        headers={"Accept-Encoding": "identity"},
        read_timeout=seconds,
        time_limit=seconds,
    )
    try:
        with transport.stream(request) as chunks:
            for event in read_events(chunks):
                execution = _execution_in(event)
                if execution is not None:
                    yield execution
                if event.id == "end":
                    return
    except Unauthorized:
        raise
    except (KestraError, ValueError, RecursionError) as error:
        LOG.debug("the stream of %s ended: %s", path, error)


def _execution_in(event: Event) -> Execution | None:
    """Return the execution in an event; ``None`` for the first event, a stub without a state."""
    if event.id == "start" or not event.data:
        return None
    execution = execution_of(json.loads(event.data))
    return execution if execution.state else None


def _changed(before: Execution, after: Execution) -> bool:
    def essence(execution: Execution) -> object:
        runs = [(run.id, run.state, run.attempts) for run in execution.task_runs]
        return (execution.state, runs, execution.labels)

    return essence(before) != essence(after)
