"""Logs of an execution."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kestra_sync.kestra.events import read_events
from kestra_sync.kestra.follow import STREAM
from kestra_sync.kestra.request import Request, query, segments
from kestra_sync.kestra.transport import Transport
from kestra_sync.kestra.values import int_of


@dataclass(frozen=True)
class LogEntry:
    """One message. Nothing in it is to be trusted: it is what a task printed.

    :param level: ``TRACE``, ``DEBUG``, ``INFO``, ``WARN`` or ``ERROR``.
    :param timestamp: as the server writes it (ISO 8601).
    """

    timestamp: str
    level: str
    message: str
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: int | None = None


class Logs:
    """``client.logs``."""

    def __init__(self, transport: Transport, tenant: str) -> None:
        self._transport = transport
        self._base = f"/api/v1/{segments(tenant)}/logs"

    def get(self, execution_id: str, min_level: str | None = None) -> tuple[LogEntry, ...]:
        """What was logged so far, in order; nothing for an unknown execution.

        :param min_level: leave out what is below, such as ``WARN``.
        """
        asked = query(("minLevel", min_level))
        path = f"{self._base}/{segments(execution_id)}"
        answer = self._transport.send(Request("GET", path, query=asked))
        found = [entry for item in answer.list() if (entry := log_entry_of(item)) is not None]
        return tuple(sorted(found, key=lambda entry: entry.timestamp))

    def follow(self, execution_id: str, min_level: str | None = None) -> Iterator[LogEntry]:
        """What is being logged, until the server ends the stream.

        :raises Unreachable: the stream broke; what came until then has been given.
        """
        request = Request(
            "GET",
            f"{self._base}/{segments(execution_id)}/follow",
            query=query(("minLevel", min_level)),
            accept=STREAM,
            headers={"Accept-Encoding": "identity"},
        )
        with self._transport.stream(request) as chunks:
            for event in read_events(chunks):
                if event.data:
                    entry = _parsed(event.data)
                    if entry is not None:
                        yield entry
                if event.id == "end":
                    return


def log_entry_of(data: Any) -> LogEntry | None:
    """The message in an answer; ``None`` for the stub that begins a stream."""
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


def _parsed(text: str) -> LogEntry | None:
    try:
        return log_entry_of(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _optional(value: Any) -> str | None:
    return value if isinstance(value, str) else None
