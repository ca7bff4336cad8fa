"""Executions as JSON: single ones and their logs, and the results of smoke tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.duration import iso_seconds
from kestra_sync.executions.logs import LogLine
from kestra_sync.smoke.result import GOOD, SmokeResult, SmokeRun, SmokeVerdict

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
    """Mask the secrets in every text of ``value``."""
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


def smoke_json(result: SmokeResult) -> dict[str, Any]:
    """``run_id``, ``commit``, ``summary`` and ``runs``, each of them complete."""
    return {
        "run_id": result.run_id,
        "commit": result.commit,
        "interrupted": result.interrupted,
        "passed": not result.failed and not result.interrupted,
        "seconds": round(result.seconds, 3),
        "summary": {
            str(verdict).replace("-", "_"): result.count(verdict) for verdict in SmokeVerdict
        },
        "runs": [run_json(each) for each in result.runs],
    }


def run_json(run: SmokeRun) -> dict[str, Any]:
    """One test. Texts of the execution are masked and truncated."""
    spec = run.spec
    return {
        "flow": {"namespace": spec.flow.namespace, "id": spec.flow.id},
        "name": spec.name,
        "path": spec.path or None,
        "line": spec.position.line if spec.position else None,
        "verdict": str(run.verdict),
        "reason": run.reason or None,
        "passed": run.verdict in GOOD,
        "execution": run.execution_id,
        "url": run.url,
        "revision": run.revision,
        "state": run.state,
        "seconds": None if run.seconds is None else round(run.seconds, 3),
        "failures": [{"kind": str(each.kind), "message": each.message} for each in run.failures],
        "culprit": culprit_json(run.culprit),
        "log": [
            {"time": each.time or None, "level": each.level, "task": each.task, "text": each.text}
            for each in run.log
        ],
        "cleanup": None
        if run.cleanup is None
        else {
            "kept": run.cleanup.kept,
            "deleted": run.cleanup.deleted,
            "problems": list(run.cleanup.problems),
        },
    }


def culprit_json(culprit: Culprit | None) -> dict[str, Any] | None:
    """The path to the failed task, and its error."""
    if culprit is None:
        return None
    return {
        "chain": list(culprit.chain),
        "state": culprit.state,
        "error": culprit.error or None,
    }
