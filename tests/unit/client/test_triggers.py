"""The states of triggers."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from kestra_sync.client.answer import time_of
from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.client.triggers import TriggerState
from kestra_sync.model import FlowId, Scope

from .scripted import Reply, ScriptedServer, as_json

_SEARCH = "/api/v1/main/triggers/search"
_SWITCH = "/api/v1/main/triggers/set-disabled/by-triggers"


def _old(trigger: str, namespace: str = "a", **more: Any) -> dict[str, Any]:
    state = {"namespace": namespace, "flowId": "f", "triggerId": trigger, **more}
    return {"abstractTrigger": {"id": trigger}, "triggerContext": state}


def _new(trigger: str, **more: Any) -> dict[str, Any]:
    state = {"namespace": "a", "flowId": "f", "triggerId": trigger, **more}
    return {"trigger": {"id": trigger}, "state": state}


def test_states_of_both_versions(scripted: ScriptedServer, client: KestraClient) -> None:
    results = [
        _old("x", nextExecutionDate="2026-11-25T23:58:46.399123456Z", disabled=False),
        _new("y", nextEvaluationDate="2026-11-26T02:00:00+01:00", disabled=True),
        _new("z", nextEvaluationDate="soon"),
        {"triggerContext": {"namespace": "a"}}, {"abstractTrigger": {}}, "what",
        _old("other", namespace="b"),
    ]  # fmt: skip
    scripted.on("GET", _SEARCH, as_json({"results": results, "total": 7}))
    flow = FlowId("a", "f")
    assert client.triggers.search(Scope(("a",), exact=True)) == (
        TriggerState(flow, "x", False, datetime(2026, 11, 25, 23, 58, 46, tzinfo=timezone.utc)),
        TriggerState(flow, "y", True, datetime(2026, 11, 26, 1, tzinfo=timezone.utc)),
        TriggerState(flow, "z"),
    )
    assert scripted.seen[-1].params["filters[namespace][EQUALS]"] == "a"


def test_pages__short_page_is_accepted(scripted: ScriptedServer, client: KestraClient) -> None:
    """The total counts triggers of flows that are gone, which the pages leave out."""
    first = as_json({"results": [_old("x")], "total": 3})
    second = as_json({"results": [_old("y")], "total": 3})
    scripted.on("GET", _SEARCH, first, second)
    assert [each.trigger_id for each in client.triggers.search(page_size=2)] == ["x", "y"]
    assert [each.params["page"] for each in scripted.seen if each.path == _SEARCH] == ["1", "2"]


def test_no_scope_asks_nothing(scripted: ScriptedServer, client: KestraClient) -> None:
    assert client.triggers.search(Scope(())) == ()
    assert scripted.seen == []


@pytest.mark.parametrize("answer", [{}, {"results": []}, {"results": {}, "total": 1}])
def test_response__unexpected_is_reported(
    scripted: ScriptedServer, client: KestraClient, answer: Any
) -> None:
    scripted.on("GET", _SEARCH, as_json(answer))
    with pytest.raises(UnexpectedAnswer):
        client.triggers.search()


def test_switching_names_the_tenant(scripted: ScriptedServer, client: KestraClient) -> None:
    """Kestra 1.x would do nothing without it, and say that it did."""
    scripted.on("POST", _SWITCH, Reply(202, b"{}"))
    client.triggers.set_disabled([(FlowId("a", "f"), "x")], disabled=False)
    assert json.loads(scripted.seen[-1].body) == {
        "triggers": [{"tenantId": "main", "namespace": "a", "flowId": "f", "triggerId": "x"}],
        "disabled": False,
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-25T23:58:46Z", "2026-11-25T23:58:46+00:00"),
        ("2026-11-25T23:58:46.399123456Z", "2026-11-25T23:58:46.399123+00:00"),
        ("2026-11-25T23:58:46.4+01:00", "2026-11-25T23:58:46.400000+01:00"),
        ("2026-11-25T23:58:46.12", "2026-11-25T23:58:46.120000+00:00"),
        ("soon", None),
        (7, None),
    ],
)
def test_time_of__fractions_of_any_length_and_offsets(text: object, wanted: str | None) -> None:
    found = time_of(text)
    assert (None if found is None else found.isoformat()) == wanted
