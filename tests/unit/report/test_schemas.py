"""JSON output is valid against its schemas, and the page agrees with the schemas."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kestra_sync.apply.lock import Holder
from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus
from kestra_sync.commands.plan import PlanResult
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.executions.cleanup import Cleanup
from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.logs import LogLine
from kestra_sync.inventory.codec import to_json
from kestra_sync.inventory.record import HistoryEntry, Intent, Inventory, Resource
from kestra_sync.model import Action, FlowId, Position, Reason, Repository, Scope, Target
from kestra_sync.report.as_json import (
    diagnostics_json,
    drift_json,
    drift_summary,
    outcomes_json,
    repository_json,
    resource_counts,
    restored_json,
    severity_counts,
)
from kestra_sync.report.collect import plan_document
from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.execution_json import smoke_json
from kestra_sync.report.trigger_text import checks_json, keys_json
from kestra_sync.resources import Kind, ResourceId
from kestra_sync.smoke.result import FailureKind, SmokeFailure, SmokeResult, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import SmokeSpec
from kestra_sync.triggers.changes import TriggerCheck, TriggerStatus
from tests.support.json_page import page
from tests.support.plans import change, source
from tests.support.schemas import NAMES, check_result, schema, valid
from tests.unit.report.test_golden import _PLANS, DIAGNOSTICS, REFUSALS, REPOSITORY

_ROOT = Path(__file__).parent.parent.parent.parent


_SPEC = SmokeSpec(FlowId("acme", "a"), path="flows/a.smoke.yaml", position=Position(3, 1))
SMOKE = SmokeResult(
    (
        SmokeRun(
            _SPEC,
            SmokeVerdict.FAILED,
            "4fq",
            "http://localhost/ui/4fq",
            3,
            "FAILED",
            1.5,
            tuple(SmokeFailure(kind, "what") for kind in FailureKind),
            Culprit(("send",), "FAILED"),
            (LogLine("", "ERROR", None, "boom"),),
            Cleanup(kept=True, problems=("what",)),
        ),
        SmokeRun(_SPEC, SmokeVerdict.SKIPPED),
    ),
    "run",
    None,
    1.5,
)


_TRIGGER = (FlowId("acme", "a"), "nightly")
_DATE = datetime(2026, 11, 26, 3, tzinfo=timezone.utc)


def _written(document: dict[str, Any]) -> Any:
    return json.loads(dump(document))


def _planned(name: str) -> dict[str, Any]:
    result = PlanResult(REPOSITORY, _PLANS[name], DIAGNOSTICS, {}, REFUSALS)
    return plan_document(result)


def _results() -> Iterator[tuple[str, Any]]:
    for name in _PLANS:
        yield f"plan {name}", envelope("plan", ExitCode.OK, _planned(name))
    nothing = PlanResult(Repository("flows", 0, (), (), ()), None, (), {})
    yield "plan of nothing", envelope("plan", ExitCode.INVALID, plan_document(nothing))
    writes = list(_PLANS["everything"].writes)
    outcomes = [
        Outcome(each, status, revision, message, unsure=bool(message))
        for each, status, revision, message in zip(
            writes, [*ChangeStatus] * 9, [None, 3] * 9, ["", "what", ""] * 9, strict=False
        )
    ]
    restored = [Restored(writes[0], status, 1, "why") for status in RollbackStatus]
    yield (
        "apply",
        envelope(
            "apply",
            ExitCode.PARTIAL,
            {
                **_planned("everything"),
                "declined": False,
                "interrupted": True,
                "outcomes": outcomes_json(outcomes),
                "restored": restored_json(restored),
                "smoke": smoke_json(SMOKE),
                "recorded": ["Recorded 11 flows as ours."],
                "notes": ["the record could not be stored"],
                "triggers_to_enable": keys_json([_TRIGGER]),
                "trigger_checks": checks_json(
                    TriggerCheck(*_TRIGGER, status, date, number)
                    for status in TriggerStatus
                    for date, number in ((None, None), (_DATE, 3))
                ),
            },
        ),
    )
    yield (
        "validate",
        envelope(
            "validate",
            ExitCode.INVALID,
            {
                "server": None,
                **repository_json(REPOSITORY),
                "summary": {**severity_counts(DIAGNOSTICS), **resource_counts(2, {Kind.FILE: 1})},
                "diagnostics": diagnostics_json(DIAGNOSTICS),
            },
        ),
    )
    drifted = [
        change(Action.UPDATE, Reason.DRIFT, "a", before=source("a", "x"), after=source("a")),
        change(Action.CREATE, Reason.RECREATED, "b", after=source("b")),
        change(Action.NONE, Reason.DROPPED, "c"),
    ]
    yield (
        "drift",
        envelope(
            "drift",
            ExitCode.CHANGES,
            {
                "summary": drift_summary(drifted),
                "drifted": [drift_json(each) for each in drifted],
                "disabled_triggers": keys_json([_TRIGGER]),
                "diagnostics": [],
            },
        ),
    )
    place = {"namespace": "acme", "key": "kestra-sync.flows"}
    for name, inventory in (("full", _full()), ("bare", _bare())):
        record = to_json(inventory)
        shown = {"inventory": record, "place": place}
        yield f"inventory {name}", envelope("inventory", ExitCode.OK, shown)
        yield f"history {name}", envelope("history", ExitCode.OK, {"runs": record["history"]})
    yield "no inventory", envelope("inventory", ExitCode.OK, {"inventory": None, "place": place})
    for name in ("rename", "forget", "move"):
        edited = {"changes": ["What was done."], "done": True}
        yield f"inventory {name}", envelope(f"inventory {name}", ExitCode.OK, edited)
    for smoke in (smoke_json(SMOKE), None):
        body = {"server": None, "diagnostics": diagnostics_json(DIAGNOSTICS), "smoke": smoke}
        yield f"smoke {bool(smoke)}", envelope("smoke", ExitCode.SMOKE_FAILED, body)
    holder = vars(Holder("a", "someone", "2026-01-01T12:00:00Z"))
    yield "unlock", envelope("unlock", ExitCode.OK, {"holder": holder, "unlocked": True})
    yield "not locked", envelope("unlock", ExitCode.OK, {"holder": None, "unlocked": False})
    for code in (1, 3, 4, 5, 6, 64, 69, 70, 77, 130):
        for command in ("plan", "validate", "apply", "drift", "history", "smoke", ""):
            error = KestraSyncError("what", remedy="how")
            yield f"{command} {code}", envelope(command, ExitCode(code), error=error)
    yield "a bare error", envelope("plan", ExitCode.BUG, error=ValueError("x"))


def _full() -> Inventory:
    key = FlowId("acme", "a")
    resource = Resource(key, "flows/a.yaml", "a" * 64, "b" * 64, 3, kept_off=True)
    file, secret = ResourceId("acme", "f", Kind.FILE), ResourceId("acme", "k", Kind.KV)
    beside = Resource(secret, "kv.yaml", "c" * 64, "c" * 64, masked=True)
    intent = {key: None, file: None, FlowId("acme", "b"): resource, secret: beside}
    return Inventory(
        "acme-flows",
        Target("http://localhost", "main", "prod"),
        "github.com/acme/flows",
        Scope(("acme",), exact=True),
        4,
        "0123",
        "main",
        "2026-01-01T12:00:00Z",
        Intent("2026-01-01T12:00:00Z", "0123", intent),
        {key: resource, file: Resource(file, "f", "d" * 64, "d" * 64, 1), secret: beside},
        (
            HistoryEntry(
                3, "2026-01-01T12:00:00Z", "0123", "main", "applied", {"create": 1}, True, "ada"
            ),
        ),
    )


def _bare() -> Inventory:
    key = FlowId("acme", "a")
    return Inventory(
        "acme-flows",
        Target("http://localhost", "main"),
        "",
        Scope(("acme",)),
        resources={key: Resource(key, "flows/a.yaml", "a" * 64, "a" * 64)},
        history=(HistoryEntry(1, "2026-01-01T12:00:00Z", None, None, "adopted"),),
    )


_RESULTS = {name: _written(document) for name, document in _results()}


@pytest.mark.parametrize("name", _RESULTS)
def test_schema__each_result_is_valid(name: str) -> None:
    """Made from the values of the model; those of real runs are checked in ``tests/e2e/cli``."""
    check_result(_RESULTS[name])


@pytest.mark.parametrize(
    "name", ["plan everything", "apply", "validate", "drift", "plan 64", "smoke True"]
)
def test_a_new_member_needs_a_new_schema(name: str) -> None:
    """At every depth: nothing may be added, and nothing left out, without saying so."""
    document = _RESULTS[name]
    schema_name = "result" if document["command"] == "smoke" else document["command"]
    assert valid(schema_name, document)
    count = 0
    for path in _objects(document, ()):
        if path[-1:] in (("before",), ("after",)):
            continue  # values of flows
        extra = copy.deepcopy(document)
        _at(extra, path)["surprise"] = 1
        assert not valid(schema_name, extra), path
        count += 1
    assert count > 1
    for key in document:
        less = {k: v for k, v in document.items() if k != key}
        assert not valid(schema_name, less), key


def _objects(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict):
        yield path
        for key, value in node.items():
            yield from _objects(value, (*path, key))
    elif isinstance(node, list):
        # The first of each kind is enough, and quick.
        for index, value in enumerate(node[:1]):
            yield from _objects(value, (*path, index))


def _at(node: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        node = node[step]
    return node


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("format_version", "2.0"),
        ("format_version", "1"),
        ("exit_code", 99),
        ("command", "other"),
        ("error", "text"),
    ],
)
def test_the_frame_is_checked(member: str, value: Any) -> None:
    """Another major version is another format."""
    assert not valid("plan", {**_RESULTS["plan sample"], member: value})


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_schemas(name: str) -> None:
    """Of draft 2020-12, closed everywhere, with every member described."""
    Draft202012Validator.check_schema(schema(name))
    for node in _schemas(schema(name)):
        if node.get("type") == "object":
            assert "additionalProperties" in node, node
            assert set(node.get("required", ())) <= set(node.get("properties", ()))


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from _schemas(value)


def test_the_schemas_know_every_reason_status_and_code() -> None:
    """The schema allows exactly the values in the code."""
    definitions = schema("result")["$defs"]
    change_ = definitions["change"]["properties"]
    assert change_["reason"]["enum"] == [each.value for each in Reason]
    assert change_["action"]["enum"] == [each.value for each in Action]
    assert definitions["exit_code"]["enum"] == [each.value for each in ExitCode]
    outcome = schema("apply")["$defs"]["result"]["properties"]["outcomes"]["items"]["properties"]
    assert outcome["status"]["enum"] == [each.value for each in ChangeStatus]
    restored = schema("apply")["$defs"]["result"]["properties"]["restored"]["items"]["properties"]
    assert restored["result"]["enum"] == [each.value for each in RollbackStatus]
    smoke = definitions["smoke_run"]["properties"]
    assert smoke["verdict"]["enum"] == [each.value for each in SmokeVerdict]
    kinds = smoke["failures"]["items"]["properties"]["kind"]["enum"]
    assert kinds == [each.value for each in FailureKind]


def test_the_page_is_up_to_date() -> None:
    """``docs/json.md`` is written from the schemas."""
    path = _ROOT / "docs" / "json.md"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(page(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == page()


def test_an_error_without_a_remedy() -> None:
    """Any exception can be reported."""
    document = envelope("plan", ExitCode.USAGE, error=UsageError("x"))
    assert document["error"] == {"kind": "UsageError", "message": "x", "remedy": None}
