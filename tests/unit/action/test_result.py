"""From the JSON of a run to the outputs of the step."""

from __future__ import annotations

from typing import Any

from kestra_sync.action.result import OUTPUTS, Result, result_of
from kestra_sync.errors import ExitCode

_COUNTS = {"create": 1, "update": 2, "move": 1, "delete": 3, "drifted": 1}
_NONE = dict.fromkeys(_COUNTS, 0)


def plan(counts: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"plan": {"summary": counts}, "digest": "sha256:1", "diagnostics": [], **more}


def outcome(action: str, status: str) -> dict[str, str]:
    return {"action": action, "status": status}


def test_a_plan() -> None:
    result = result_of("plan", 2, plan(_COUNTS))
    assert (result.created, result.updated, result.deleted, result.drifted) == (2, 2, 4, 1)
    assert result.has_changes
    assert result.summary == "2 to create, 2 to update, 4 to delete, 1 of them drifted"
    assert result.failure_reason == ""


def test_a_plan_without_changes() -> None:
    result = result_of("plan", 0, plan(_NONE))
    assert not result.has_changes
    assert result.summary == "no changes"


def test_a_plan_that_is_refused() -> None:
    result = result_of("plan", 4, plan(_COUNTS, refusals=[{"rule": "limit"}]))
    assert result.failure_reason == "refused"
    assert result.summary.endswith(", refused")


def test_files_that_are_invalid() -> None:
    found = [{"severity": "error"}, {"severity": "error"}, {"severity": "warning"}]
    result = result_of("plan", 3, {"plan": None, "diagnostics": found})
    assert (result.failed, result.failure_reason, result.summary) == (2, "invalid", "2 errors")
    result = result_of("validate", 3, {"flows": 7, "diagnostics": found})
    assert (result.failed, result.summary) == (2, "7 flows checked, 2 errors")
    assert not result.has_changes


def test_an_apply() -> None:
    done = [
        outcome("create", "applied"),
        outcome("move", "applied"),
        outcome("update", "applied"),
        outcome("update", "failed"),
        outcome("delete", "conflict"),
        outcome("delete", "not-attempted"),
    ]
    smoke = {"runs": [{"passed": True}, {"passed": False}]}
    result = result_of("apply", 6, plan(_COUNTS, outcomes=done, restored=[{}], smoke=smoke))
    assert (result.created, result.updated, result.deleted, result.failed) == (2, 1, 1, 3)
    assert result.failure_reason == "partial"
    assert result.summary == (
        "2 created, 1 updated, 1 deleted, 2 failed, 1 rolled back, 1 smoke test failed"
    )


def test_an_apply_of_nothing() -> None:
    assert result_of("apply", 0, plan(_NONE, outcomes=[])).summary == "no changes"
    assert result_of("apply", 4, plan(_COUNTS, outcomes=[])).summary == "nothing applied"


def test_drift() -> None:
    result = result_of("drift", 2, {"drifted": [{}, {}]})
    assert (result.drifted, result.has_changes, result.summary) == (2, True, "2 flows drifted")
    assert result_of("drift", 0, {"drifted": []}).summary == "no drift"


def test_smoke_tests() -> None:
    smoke = {"runs": [{"passed": True}, {"passed": False}]}
    result = result_of("smoke", 7, {"smoke": smoke})
    assert (result.failed, result.failure_reason) == (1, "smoke-failed")
    assert result.summary == "2 smoke tests, 1 failed"
    assert result_of("smoke", 3, {"smoke": None}).summary == "nothing to do"


def test_a_run_that_an_exception_ended() -> None:
    error = {"kind": "Unreachable", "message": "no answer\x1b[2J\nsecond line"}
    result = result_of("plan", 69, {"error": error})
    assert result.failure_reason == "unreachable"
    assert result.outputs()["summary"] == "no answer\\x1b[2J"


def test_every_exit_code_has_a_word() -> None:
    assert {code.name: Result(int(code)).failure_reason for code in ExitCode} == {
        "OK": "",
        "FAILURE": "failure",
        "CHANGES": "",
        "INVALID": "invalid",
        "REFUSED": "refused",
        "CONFLICT": "conflict",
        "PARTIAL": "partial",
        "SMOKE_FAILED": "smoke-failed",
        "USAGE": "usage",
        "UNREACHABLE": "unreachable",
        "BUG": "bug",
        "NOT_ALLOWED": "not-allowed",
        "INTERRUPTED": "interrupted",
    }


def test_exit_code__unknown_code_has_a_reason() -> None:
    assert Result(99).failure_reason == "failure"


def test_outputs__are_complete() -> None:
    outputs = Result(0).outputs(plan_file="p", report_file="r")
    assert tuple(outputs) == OUTPUTS
    assert (outputs["plan-file"], outputs["report-file"], outputs["has-changes"]) == (
        "p",
        "r",
        "false",
    )


def test_several_environments_are_added_up() -> None:
    document = {
        "environments": [
            {"environment": "dev", "result": {"exit_code": 2, **plan(_COUNTS)}},
            {"environment": "prod", "result": {"exit_code": 69, "error": {"message": "no\nmore"}}},
        ],
        "not_attempted": ["test"],
    }
    result = result_of("plan", 69, document)
    assert (result.created, result.updated, result.deleted, result.drifted) == (2, 2, 4, 1)
    assert result.has_changes
    assert (result.failure_reason, result.digest) == ("unreachable", "")
    assert result.summary == (
        "dev: 2 to create, 2 to update, 4 to delete, 1 of them drifted; prod: no;"
        " test: not attempted"
    )
    assert result.environments == ("dev", "prod", "test")
