"""An execution as returned by the server, and its states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.client.answer import int_of
from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.model import FlowId

FINAL = frozenset(
    {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED", "RETRIED", "RESUBMITTED"}
)


@dataclass(frozen=True)
class TaskRun:
    """One run of one task.

    :param value: the item of the loop that it runs for, if any.
    :param attempts: the number of attempts.
    """

    id: str
    task_id: str
    state: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    value: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class Execution:
    """One execution of a flow.

    :param state: ``RUNNING``, ``SUCCESS``, …; ``""`` in the stub that begins a stream.
    :param kind: ``NORMAL``, ``TEST`` or ``PLAYGROUND``.
    :param url: its page in the UI, if the server knows its own address.
    :param start: when, as the server writes it (ISO 8601); ``end`` and ``duration`` likewise.
    :param started_by: the id of the task run that started it, if the server returns it.
    :param loop_value: the item that an iteration of a loop is for.
    :param raw: the complete response of the server.
    """

    id: str
    flow_id: FlowId
    state: str
    revision: int | None = None
    kind: str = "NORMAL"
    url: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    task_runs: tuple[TaskRun, ...] = ()
    start: str | None = None
    end: str | None = None
    duration: str | None = None
    started_by: str | None = None
    loop_value: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the execution has ended."""
        return self.state in FINAL


def execution_of(data: Any) -> Execution:
    """Parse an execution from a response.

    :raises UnexpectedAnswer: it is not an execution.
    """
    if not isinstance(data, dict):
        raise UnexpectedAnswer("the server's answer is not an execution")
    known, namespace, flow = (data.get(name) for name in ("id", "namespace", "flowId"))
    if not (isinstance(known, str) and isinstance(namespace, str) and isinstance(flow, str)):
        raise UnexpectedAnswer("the server's answer is not an execution")
    state, loop = _mapping(data.get("state")), _mapping(data.get("loopRun"))
    trigger = _mapping(_mapping(data.get("trigger")).get("variables"))
    return Execution(
        id=known,
        flow_id=FlowId(namespace, flow),
        state=_text(state.get("current")) or "",
        revision=int_of(data.get("flowRevision")),
        kind=_text(data.get("kind")) or "NORMAL",
        url=_text(data.get("url")),
        labels=_labels(data.get("labels")),
        inputs=_mapping(data.get("inputs")),
        outputs=_mapping(data.get("outputs")),
        task_runs=tuple(
            _task_run(item) for item in _list(data.get("taskRunList")) if isinstance(item, dict)
        ),
        start=_text(state.get("startDate")),
        end=_text(state.get("endDate")),
        duration=_text(state.get("duration")),
        started_by=_text(loop.get("taskRunId")) or _text(trigger.get("taskRunId")),
        loop_value=_text(loop.get("value")),
        raw=data,
    )


def _task_run(data: dict[str, Any]) -> TaskRun:
    state = _mapping(data.get("state"))
    return TaskRun(
        id=_text(data.get("id")) or "",
        task_id=_text(data.get("taskId")) or "",
        state=_text(state.get("current")) or "",
        outputs=_mapping(data.get("outputs")),
        attempts=len(_list(data.get("attempts"))),
        value=_text(data.get("value")),
        start=_text(state.get("startDate")),
        end=_text(state.get("endDate")),
    )


def _labels(value: Any) -> dict[str, str]:
    """Parse labels: a list of pairs, or a mapping on older servers."""
    if isinstance(value, dict):
        return {str(key): str(text) for key, text in value.items()}
    return {
        str(item["key"]): str(item.get("value", ""))
        for item in _list(value)
        if isinstance(item, dict) and "key" in item
    }


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None
