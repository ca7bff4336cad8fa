"""A server in memory with scripted executions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kestra_sync.client.errors import NotFound
from kestra_sync.client.execution import Execution, TaskRun
from kestra_sync.client.follow import FollowTimeout
from kestra_sync.client.logs import LogEntry
from kestra_sync.executions.follow import Clock
from kestra_sync.model import FlowId, Live

FLOW = FlowId("company.team", "work")
SOURCE = b"id: work\nnamespace: company.team\ntasks:\n  - {id: a, type: b}\n"


def execution(state: str = "SUCCESS", known: str = "e1", **more: Any) -> Execution:
    return Execution(known, more.pop("flow_id", FLOW), state, revision=1, kind="TEST", **more)


def task_run(task: str, state: str = "SUCCESS", **more: Any) -> TaskRun:
    return TaskRun(more.pop("id", task), task, state, **more)


def entry(message: str, level: str = "INFO", **more: Any) -> LogEntry:
    return LogEntry(more.pop("timestamp", "2030-01-31T12:30:01.250Z"), level, message, **more)


def not_found() -> NotFound:
    return NotFound(404, "GET", "/x", "not found")


class FakeClock:
    """Time goes on only by sleeping."""

    def __init__(self) -> None:
        self.time = 100.0
        self.clock = Clock(lambda: self.time, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.time += seconds


Answer = Execution | Exception


@dataclass
class FakeServer:
    """Implements what smoke tests need of the client.

    :param states: what ``follow`` tells, in order; the last one is what ``get`` tells.
    :param others: further executions by id.
    :param found: what a search for executions that were started by ours finds (Kestra 2.0).
    :param outputs: the outputs of the execution, where they are not part of it (Kestra 2.0).
    :param failing: for each method the exceptions that its next calls raise.
    """

    states: list[Execution] = field(default_factory=lambda: [execution()])
    log: list[LogEntry] = field(default_factory=list)
    source: bytes = SOURCE
    others: dict[str, Execution] = field(default_factory=dict)
    found: list[Execution] = field(default_factory=list)
    outputs: dict[str, Any] | None = None
    failing: dict[str, list[Exception]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    on_follow: Callable[[], None] = lambda: None
    clock: FakeClock | None = None
    url: str = "http://kestra"
    tenant: str = "main"

    @property
    def flows(self) -> Any:
        return _Flows(self)

    @property
    def executions(self) -> Any:
        return _Executions(self)

    @property
    def logs(self) -> Any:
        return _Logs(self)

    def called(self, name: str, of: Any = None) -> None:
        self.calls.append((name, of))
        waiting = self.failing.get(name)
        if waiting:
            raise waiting.pop(0)

    def names(self) -> list[str]:
        return [name for name, _of in self.calls]


@dataclass
class _Flows:
    server: FakeServer

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live:
        self.server.called("flow", flow_id)
        return Live(flow_id, self.server.source, revision or 1)


@dataclass
class _Executions:
    server: FakeServer

    def create(self, flow_id: FlowId, **how: Any) -> Execution:
        self.server.called("create", how)
        return replace(self.server.states[0], state="CREATED", url=None, flow_id=flow_id)

    def get(self, execution_id: str) -> Execution:
        self.server.called("get", execution_id)
        if execution_id in self.server.others:
            return self.server.others[execution_id]
        return self.server.states[-1]

    def with_outputs(self, execution: Execution) -> Execution:
        self.server.called("outputs", execution.id)
        return (
            execution
            if self.server.outputs is None
            else replace(execution, outputs=self.server.outputs)
        )

    def started_by(self, execution: Execution) -> tuple[Execution, ...]:
        self.server.called("started by", execution.id)
        return tuple(self.server.found)

    def delete(self, execution_id: str) -> None:
        self.server.called("delete", execution_id)

    def kill(self, execution_id: str) -> None:
        self.server.called("kill", execution_id)
        self.server.states.append(replace(self.server.states[-1], state="KILLED"))

    def follow(self, execution_id: str, *, timeout: float | None = None) -> Iterator[Execution]:
        self.server.called("follow", timeout)
        self.server.on_follow()
        last = self.server.states[0]
        for last in list(self.server.states):
            yield last
        if not last.is_final:
            if self.server.clock is not None:
                self.server.clock.time += timeout or 0.0
            raise FollowTimeout(last, timeout or 0.0)


@dataclass
class _Logs:
    server: FakeServer

    def get(self, execution_id: str, min_level: str | None = None) -> tuple[LogEntry, ...]:
        self.server.called("logs", execution_id)
        return tuple(self.server.log)


def how_created(server: FakeServer) -> Mapping[str, Any]:
    return next(of for name, of in server.calls if name == "create")
