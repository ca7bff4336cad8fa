"""Single executions and their logs as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kestra_sync.executions.duration import iso_seconds
from kestra_sync.executions.logs import LogLine
from kestra_sync.report.smoke_json import culprit_json

if TYPE_CHECKING:
    from kestra_sync.commands.run_flow import RunResult

_OUTPUT = 1_000_000


def ran_json(ran: RunResult) -> dict[str, Any]:
    """The execution with its outputs and task runs. Texts in outputs are masked."""
    execution = ran.execution
    return {
        "execution": {
            "id": execution.id,
            "flow": {"namespace": execution.flow_id.namespace, "id": execution.flow_id.id},
            "state": execution.state or None,
            "final": execution.is_final,
            "revision": execution.revision,
            "kind": execution.kind,
            "url": ran.url,
            "labels": dict(execution.labels),
            "start": execution.start,
            "end": execution.end,
            "seconds": iso_seconds(execution.duration) if execution.is_final else None,
            "outputs": _masked(ran, dict(execution.outputs)),
            "tasks": [
                {
                    "task": run.task_id,
                    "value": None if run.value is None else _masked(ran, run.value),
                    "state": run.state,
                    "attempts": run.attempts,
                }
                for run in execution.task_runs
            ],
        },
        "waited": ran.waited,
        "culprit": culprit_json(ran.culprit),
        "log": log_json(ran.log),
    }


def _masked(ran: RunResult, value: Any) -> Any:
    """``value`` with secrets taken out of every text in it."""
    if isinstance(value, str):
        return ran.masker.clean(value, _OUTPUT)
    if isinstance(value, list):
        return [_masked(ran, each) for each in value]
    if isinstance(value, dict):
        return {key: _masked(ran, each) for key, each in value.items()}
    text = json.dumps(value, default=str)
    masked = ran.masker.clean(text)
    return value if masked == text else masked


def log_json(lines: Iterable[LogLine]) -> list[dict[str, Any]]:
    """Log lines; ``time`` is ``null`` for the further lines of a message."""
    return [
        {"time": each.time or None, "level": each.level, "task": each.task, "text": each.text}
        for each in lines
    ]


def deleted_json(problems: Mapping[str, str | None]) -> dict[str, Any]:
    """Each execution, and why it could not be deleted."""
    return {
        "executions": [
            {"id": known, "deleted": problem is None, "message": problem}
            for known, problem in problems.items()
        ]
    }
