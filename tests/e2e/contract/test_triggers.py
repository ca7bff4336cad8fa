"""The run-time states of triggers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.e2e.contract.calls import created
from tests.support.server import Http
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions

_TRIGGER = """\
triggers:
  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 3 * * *"}
"""
_PATIENCE_SECONDS = 60.0


def _state(http: Http, namespace: str) -> dict[str, Any]:
    """The state of the one trigger, which comes into being a moment after the flow."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        answer = http.get(f"/triggers/{namespace}/f")
        assert answer.status_code == 200, answer.text
        if answer.json()["results"]:
            state: dict[str, Any] = answer.json()["results"][0]
            return state
        assert time.monotonic() < deadline, "no state"
        time.sleep(0.2)


def _switch(http: Http, namespace: str, trigger: str, *, disabled: bool) -> Any:
    body = {"namespace": namespace, "flowId": "f", "triggerId": trigger, "disabled": disabled}
    path = "/triggers" if http.server.release < (2, 0) else "/triggers/set-disabled"
    return http.put(path, json=body)


def test_trigger_state(http: Http, namespace: str) -> None:
    """It is read by itself, or with its definition; a switch shows in it and not in the flow."""
    before = created(http, log_flow(namespace, "f", extra=_TRIGGER))
    state = _state(http, namespace)
    assert (state["namespace"], state["flowId"], state["triggerId"]) == (namespace, "f", "nightly")
    old = http.server.release < (2, 0)
    assert state["nextExecutionDate" if old else "nextEvaluationDate"]
    assert not state.get("disabled")
    query = {"filters[namespace][EQUALS]": namespace, "filters[flowId][EQUALS]": "f", "size": "10"}
    (found,) = http.get("/triggers/search", params=query).json()["results"]
    definition, context = ("abstractTrigger", "triggerContext") if old else ("trigger", "state")
    assert found[definition]["id"] == "nightly"
    assert found[context]["triggerId"] == "nightly"

    answer = _switch(http, namespace, "nightly", disabled=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["disabled"] is True
    assert _state(http, namespace)["disabled"] is True
    after = http.get(f"/flows/{namespace}/f", params={"source": "true"}).json()
    assert (after["revision"], after["source"]) == (before["revision"], before["source"])


def test_trigger__each_action_has_its_status(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f", extra=_TRIGGER))
    _state(http, namespace)
    assert _switch(http, namespace, "absent", disabled=True).status_code == 404
    assert _switch(http, f"{namespace}.x", "nightly", disabled=True).status_code == 404
    # The way to switch has moved.
    old = http.server.release < (2, 0)
    body = {"namespace": namespace, "flowId": "f", "triggerId": "nightly", "disabled": True}
    assert http.put("/triggers", json=body).status_code in ((200,) if old else (404, 405))
    # What is not locked cannot be unlocked.
    assert http.post(f"/triggers/{namespace}/f/nightly/unlock").status_code == 409
    assert http.post(f"/triggers/{namespace}/f/absent/unlock").status_code == 404
    name = {"tenantId": "main", "namespace": namespace, "flowId": "f", "triggerId": "nightly"}
    many = {"triggers": [name], "disabled": True}
    answer = http.post("/triggers/set-disabled/by-triggers", json=many)
    if old:
        assert (answer.status_code, answer.json()) == (200, {"count": 1})
    else:
        assert (answer.status_code, answer.json()["totalItems"]) == (202, 1)
