"""Executions: start, watch, stop, remove."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kestra_sync.client.bulk import pages, scope_filters
from kestra_sync.client.errors import KestraError, UnexpectedAnswer
from kestra_sync.client.execution import Execution, TaskRun, execution_of
from kestra_sync.client.follow import DEFAULT_POLL_INTERVAL, PollInterval, follow_execution
from kestra_sync.client.request import ANY, Part, Query, Request, encode_multipart, query, segments
from kestra_sync.client.transport import Transport
from kestra_sync.errors import UsageError
from kestra_sync.model import FlowId, Scope
from kestra_sync.safe.paths import read_bytes

if TYPE_CHECKING:
    from kestra_sync.client.client import ServerInfo

WAIT_TIMEOUT = 3600.0
CORRELATION = "system.correlationId"
"""Kestra's label that an execution shares with all executions that it started."""
LOOP = "LOOP"
"""The kind of an iteration of a loop, since Kestra 2.0."""


class Executions:
    """``client.executions``."""

    def __init__(
        self,
        transport: Transport,
        tenant: str,
        server_info: Callable[[], ServerInfo],
        pace: PollInterval = DEFAULT_POLL_INTERVAL,
    ) -> None:
        self._transport = transport
        self._server_info = server_info
        self._base = f"/api/v1/{segments(tenant)}/executions"
        self._outputs = f"/api/v1/{segments(tenant)}/outputs"
        self._pace = pace

    def create(
        self,
        flow_id: FlowId,
        *,
        inputs: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        wait: bool = False,
        revision: int | None = None,
        schedule_date: datetime | str | None = None,
        breakpoints: Sequence[str] = (),
        kind: str | None = None,
    ) -> Execution:
        """Start a flow.

        :param inputs: a ``Path`` or ``bytes`` is sent as a file, a string as it is, anything else
            as JSON.
        :param wait: wait until it has ended. A proxy may time out; prefer :meth:`follow`.
        :param schedule_date: when to start it.
        :param breakpoints: ids of tasks before which it is suspended.
        :param kind: ``TEST`` keeps it out of the lists of the UI. Servers that do not know the
            kind ignore it silently: then the execution is killed, as far as possible, and
            ``UnexpectedAnswer`` is raised.
        :raises NotFound: there is no such flow.
        :raises ConflictingState: the flow is disabled.
        :raises InvalidContent: an input is missing or wrong.
        :raises UnknownOutcome: it may have been started or not.
        """
        if isinstance(schedule_date, datetime):
            # Without a zone it is local time, as everywhere in Python.
            schedule_date = schedule_date.astimezone().isoformat()
        parameters = query(
            *(("labels", f"{key}:{value}") for key, value in (labels or {}).items()),
            ("wait", wait or None),
            ("revision", revision),
            ("scheduleDate", schedule_date),
            ("breakpoints", ",".join(breakpoints) or None),
            ("kind", kind),
        )
        body, content_type = encode_multipart(input_parts(inputs))
        request = Request(
            "POST",
            f"{self._base}/{segments(flow_id.namespace, flow_id.id)}",
            query=parameters,
            body=body,
            content_type=content_type,
            read_timeout=WAIT_TIMEOUT if wait else None,
        )
        try:
            execution = execution_of(self._transport.send(request).object())
        except UnexpectedAnswer as error:
            error.may_have_written = True
            raise
        if kind is not None and execution.kind != kind:
            self._refuse(execution, kind)
        return execution

    def get(self, execution_id: str) -> Execution:
        """An execution as it is now.

        :raises NotFound: no such execution.
        """
        return self._get(execution_id, None)

    def _get(self, execution_id: str, time_limit: float | None) -> Execution:
        request = Request("GET", self._path(execution_id), time_limit=time_limit)
        answer = self._transport.send(request)
        execution = execution_of(answer.object())
        if execution.id != execution_id:
            raise answer.unexpected(f"another execution ({execution.id})")
        return execution

    def with_outputs(self, execution: Execution) -> Execution:
        """Return the execution with its outputs, which Kestra 2.0 returns only on request.

        :raises NotFound: no such execution.
        """
        if not self._server_info().can.outputs_apart:
            return execution
        path = f"{self._outputs}/executions/{segments(execution.id)}"
        return replace(execution, outputs=self._transport.send(Request("GET", path)).object())

    def task_outputs(self, execution: Execution, run: TaskRun) -> Mapping[str, Any]:
        """Return the outputs of one task run; empty if it has none.

        :raises NotFound: there is no such task run.
        """
        if not self._server_info().can.outputs_apart:
            return run.outputs
        path = f"{self._outputs}/tasks/{segments(execution.id, run.id)}"
        return self._transport.send(Request("GET", path)).object()

    def started_by(self, execution: Execution) -> tuple[Execution, ...]:
        """Search for the executions that ``execution`` started, at any depth.

        These are subflows and, since Kestra 2.0, iterations of loops: all others with its
        correlation id. ``()`` on servers that do not make executions of
        iterations: there the outputs of the task runs name the subflows.
        """
        if not self._server_info().can.loop_executions:
            return ()
        ours = {CORRELATION: execution.labels.get(CORRELATION, execution.id)}
        # Without a kind the search only returns normal executions.
        kinds = (None, LOOP) if execution.kind == "NORMAL" else (None, execution.kind, LOOP)
        found = {each.id: each for kind in kinds for each in self.search(labels=ours, kind=kind)}
        found.pop(execution.id, None)
        return tuple(found.values())

    def delete(
        self, execution_id: str, *, logs: bool = True, metrics: bool = True, storage: bool = True
    ) -> None:
        """Remove an execution, with its logs, metrics and files by default.

        :raises NotFound: no such execution.
        :raises UnknownOutcome: it may have been deleted or not.
        """
        parameters = query(
            ("deleteLogs", logs), ("deleteMetrics", metrics), ("deleteStorage", storage)
        )
        self._transport.send(Request("DELETE", self._path(execution_id), query=parameters))

    def kill(self, execution_id: str) -> None:
        """Kill an execution. This takes some time: follow it. If it has already ended, nothing
        happens, or an error is raised on some servers.

        :raises NotFound: no such execution.
        :raises ConflictingState: it has already ended, on servers that report it.
        :raises UnknownOutcome: it may have been stopped or not.
        """
        self._transport.send(Request("DELETE", self._action(execution_id, "kill"), accept=ANY))

    def resume(self, execution_id: str, inputs: Mapping[str, Any] | None = None) -> None:
        """Resume a paused execution.

        :raises NotFound: no such execution.
        :raises ConflictingState: it is not paused.
        :raises UnknownOutcome: it may have been resumed or not.
        """
        body, content_type = encode_multipart(input_parts(inputs))
        path = self._action(execution_id, "resume")
        self._transport.send(
            Request("POST", path, body=body, content_type=content_type, accept=ANY)
        )

    def follow(self, execution_id: str, *, timeout: float | None = None) -> Iterator[Execution]:
        """Yield the execution whenever it changes, until it is in a final state.

        Also waits while the execution is PAUSED, up to ``timeout``.

        :raises NotFound: no such execution.
        :raises FollowTimeout: it has not ended within ``timeout`` seconds.
        """
        return follow_execution(
            self._transport,
            f"{self._path(execution_id)}/follow",
            lambda seconds: self._get(execution_id, seconds),
            timeout=timeout,
            pace=self._pace,
        )

    def search(
        self,
        scope: Scope | None = None,
        *,
        flow_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        kind: str | None = None,
        page_size: int = 100,
        limit: int = 1000,
    ) -> tuple[Execution, ...]:
        """Return the executions of the scope, newest first, at most ``limit``.

        :param flow_id: only of flows with this id.
        :param labels: only those that have all of these labels.
        :param kind: ``TEST`` or ``PLAYGROUND``, which the server otherwise leaves out.
        """
        found: list[Execution] = []
        for filters in scope_filters(scope):
            parameters: Query = (
                *filters,
                *query(("filters[flowId][EQUALS]", flow_id)),
                *query(*((f"filters[labels][EQUALS][{k}]", v) for k, v in (labels or {}).items())),
                *query(("filters[kind][EQUALS]", kind), ("sort", "state.startDate:desc")),
            )
            listed = pages(
                self._transport,
                f"{self._base}/search",
                parameters,
                _SearchHit,
                min(page_size, limit),
            )
            matching = (
                execution
                for item in listed
                if _matches(execution := execution_of(item.data), scope, flow_id, labels or {})
            )
            found += islice(matching, limit)
        return tuple(sorted(found, key=lambda each: each.start or "", reverse=True)[:limit])

    def _refuse(self, execution: Execution, kind: str) -> None:
        with contextlib.suppress(KestraError):  # it may have already ended
            self.kill(execution.id)
        raise UnexpectedAnswer(
            f"execution {execution.id} should have kind {kind}, but has {execution.kind}",
            remedy="this server does not support the kind: leave it out, or upgrade the server",
            may_have_written=True,
        )

    def _path(self, execution_id: str) -> str:
        return f"{self._base}/{segments(execution_id)}"

    def _action(self, execution_id: str, action: str) -> str:
        prefix = "actions/" if self._server_info().can.actions_paths else ""
        return f"{self._path(execution_id)}/{prefix}{action}"


def _matches(
    execution: Execution, scope: Scope | None, flow_id: str | None, labels: Mapping[str, str]
) -> bool:
    """Return whether it matches: a server ignores filters that it does not know."""
    return (
        (scope is None or scope.covers(execution.flow_id.namespace))
        and flow_id in (None, execution.flow_id.id)
        and all(execution.labels.get(key) == value for key, value in labels.items())
    )


class _SearchHit:
    """A search result, identified by its id."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SearchHit) and self.data.get("id") == other.data.get("id")

    def __hash__(self) -> int:
        return hash(self.data.get("id"))


def input_parts(inputs: Mapping[str, Any] | None) -> Iterator[Part]:
    """Encode inputs: a path or bytes as a file, a string as it is, all else as JSON.

    :raises UsageError: a file that cannot be read.
    """
    for name, value in (inputs or {}).items():
        if value is None:
            continue  # not set: the flow's default applies
        if isinstance(value, Path):
            try:
                yield Part(name, read_bytes(value), value.name)
            except OSError as error:
                raise UsageError(
                    f"input {name}: {value} cannot be read: {error.strerror}"
                ) from error
        elif isinstance(value, (bytes, bytearray)):
            yield Part(name, bytes(value), name)
        elif isinstance(value, str):
            yield Part(name, value.encode())
        else:
            yield Part(name, json.dumps(value, default=str, ensure_ascii=False).encode())
