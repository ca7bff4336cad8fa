"""Logs of an execution."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kestra_sync.client.answer import int_of
from kestra_sync.client.errors import KestraError
from kestra_sync.client.follow import (
    DEFAULT_POLL_INTERVAL,
    STREAM,
    STREAM_TIMEOUT,
    PollInterval,
    read_events,
)
from kestra_sync.client.request import Query, Request, query, segments
from kestra_sync.client.transport import LOG, Transport

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
SILENCE = 3.0
"""Seconds without a message after which to check whether the execution has ended."""


@dataclass(frozen=True)
class LogEntry:
    """One message. It is untrusted: it is what a task printed.

    :param level: ``TRACE``, ``DEBUG``, ``INFO``, ``WARN`` or ``ERROR``.
    :param timestamp: as the server writes it (ISO 8601).
    """

    timestamp: str
    level: str
    message: str
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """The identity of a message: timestamps in streams have more digits than those in reads."""
        return (self.timestamp[:23], self.level, self.task_run_id, self.attempt, self.message)


class Logs:
    """``client.logs``."""

    def __init__(
        self,
        transport: Transport,
        tenant: str,
        is_over: Callable[[str], bool],
        pace: PollInterval = DEFAULT_POLL_INTERVAL,
    ) -> None:
        self._transport = transport
        self._is_over = is_over
        self._pace = pace
        self._base = f"/api/v1/{segments(tenant)}/logs"

    def get(self, execution_id: str, min_level: str | None = None) -> tuple[LogEntry, ...]:
        """Return the messages so far, in order; none for an unknown execution.

        :param min_level: the lowest level to return, such as ``WARN``.
        """
        parameters = _at_least(min_level)
        path = f"{self._base}/{segments(execution_id)}"
        answer = self._transport.send(Request("GET", path, query=parameters))
        found = [
            entry
            for item in answer.list()
            if (entry := log_entry_of(item)) is not None and _loud_enough(entry, min_level)
        ]
        # Trailing zeros are left out: with the Z, 10:00:00.5Z would come after 10:00:00.51Z.
        return tuple(sorted(found, key=lambda entry: entry.timestamp.rstrip("Z")))

    def follow(self, execution_id: str, min_level: str | None = None) -> Iterator[LogEntry]:
        """Yield all past and future messages, each once, until the execution has ended.

        The server does not end its stream with the execution, so its state is checked after a
        period of silence. Messages that a broken stream missed are read afterwards.

        :raises NotFound: no such execution.
        """
        seen: set[tuple[object, ...]] = set()

        def new(entries: Iterator[LogEntry]) -> Iterator[LogEntry]:
            for entry in entries:
                if entry.key not in seen:
                    seen.add(entry.key)
                    yield entry

        over = False
        while not over:
            over = self._is_over(execution_id)
            if over:
                self._pace.sleep(self._pace.first)  # messages may arrive after the final state
            yield from new(iter(self.get(execution_id, min_level)))
            if not over:
                yield from new(self._streamed(execution_id, min_level))
                self._pace.sleep(self._pace.first)

    def _streamed(self, execution_id: str, min_level: str | None) -> Iterator[LogEntry]:
        request = Request(
            "GET",
            f"{self._base}/{segments(execution_id)}/follow",
            query=_at_least(min_level),
            accept=STREAM,
            headers={"Accept-Encoding": "identity"},
            read_timeout=SILENCE,
            time_limit=STREAM_TIMEOUT,
        )
        try:
            with self._transport.stream(request) as chunks:
                for event in read_events(chunks):
                    entry = _parsed(event.data)
                    if entry is not None and _loud_enough(entry, min_level):
                        yield entry
                    if event.id == "end":
                        return
        except KestraError as error:
            LOG.debug("the stream of %s ended: %s", request.path, error)


def log_entry_of(data: Any) -> LogEntry | None:
    """Parse a message from a response; ``None`` for the stub that begins a stream."""
    if not isinstance(data, dict) or data.get("message") is None:
        return None
    return LogEntry(
        timestamp=str(data.get("timestamp") or ""),
        level=str(data.get("level") or "INFO"),
        message=str(data["message"]),
        task_id=_optional(data.get("taskId")),
        task_run_id=_optional(data.get("taskRunId")),
        attempt=int_of(data.get("attemptNumber")),
    )


def _at_least(level: str | None) -> Query:
    """Return filters for ``level`` and above, for 1.x and for 2.0: each ignores the other's.

    The response is filtered again, because unknown filters are ignored."""
    return query(("minLevel", level), ("filters[level][GREATER_THAN_OR_EQUAL_TO]", level))


def _loud_enough(entry: LogEntry, least: str | None) -> bool:
    if least not in LEVELS or entry.level not in LEVELS:
        return True
    return LEVELS.index(entry.level) >= LEVELS.index(least)


def _parsed(text: str) -> LogEntry | None:
    try:
        return log_entry_of(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _optional(value: Any) -> str | None:
    return value if isinstance(value, str) else None
