"""The result of smoke tests as JSON."""

from __future__ import annotations

from typing import Any

from kestra_sync.executions.culprit import Culprit
from kestra_sync.smoke.result import GOOD, SmokeResult, SmokeRun, SmokeVerdict


def smoke_json(result: SmokeResult) -> dict[str, Any]:
    """``run_id``, ``commit``, ``summary`` and ``runs``, each of them complete."""
    return {
        "run_id": result.run_id,
        "commit": result.commit,
        "interrupted": result.interrupted,
        "passed": not result.red and not result.interrupted,
        "seconds": round(result.seconds, 3),
        "summary": {
            str(verdict).replace("-", "_"): result.count(verdict) for verdict in SmokeVerdict
        },
        "runs": [run_json(each) for each in result.runs],
    }


def run_json(run: SmokeRun) -> dict[str, Any]:
    """One test. What the execution says is masked and cut to size."""
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
    """The way to the task that failed, and its error."""
    if culprit is None:
        return None
    return {
        "chain": list(culprit.chain),
        "state": culprit.state,
        "error": culprit.error or None,
    }
