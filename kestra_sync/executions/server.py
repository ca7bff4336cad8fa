"""The calls of :class:`kestra_sync.client.client.KestraClient` that smoke tests need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from kestra_sync.client.execution import Execution
from kestra_sync.client.logs import LogEntry
from kestra_sync.model import FlowId, Live


class FlowCalls(Protocol):
    """``client.flows``."""

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live: ...


class ExecutionCalls(Protocol):
    """``client.executions``."""

    def create(
        self,
        flow_id: FlowId,
        *,
        inputs: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        revision: int | None = None,
        kind: str | None = None,
    ) -> Execution: ...

    def get(self, execution_id: str) -> Execution: ...

    def with_outputs(self, execution: Execution) -> Execution: ...

    def started_by(self, execution: Execution) -> tuple[Execution, ...]: ...

    def delete(self, execution_id: str) -> None: ...

    def kill(self, execution_id: str) -> None: ...

    def follow(self, execution_id: str, *, timeout: float | None = None) -> Iterator[Execution]: ...


class LogCalls(Protocol):
    """``client.logs``."""

    def get(self, execution_id: str, min_level: str | None = None) -> tuple[LogEntry, ...]: ...


class Pages(Protocol):
    """The parts of the addresses of the UI."""

    @property
    def url(self) -> str: ...

    @property
    def tenant(self) -> str: ...


class ExecutionServer(Pages, Protocol):
    """The client as a whole."""

    @property
    def flows(self) -> FlowCalls: ...

    @property
    def executions(self) -> ExecutionCalls: ...

    @property
    def logs(self) -> LogCalls: ...


def flow_page(server: Pages, flow: FlowId) -> str:
    """The page of a flow in the UI."""
    return f"{server.url}/ui/{server.tenant}/flows/edit/{flow.namespace}/{flow.id}"


def page_of(server: ExecutionServer, execution: Execution) -> str:
    """Return the page of an execution in the UI: as reported by the server, else the default."""
    flow = execution.flow_id
    return execution.url or (
        f"{server.url}/ui/{server.tenant}/executions/{flow.namespace}/{flow.id}/{execution.id}"
    )
