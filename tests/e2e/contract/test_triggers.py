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


@pytest.fixture
def scheduled(http: Http, namespace: str) -> str:
    """A namespace with a flow that has a trigger, and its state."""
    created(http, log_flow(namespace, "f", extra=_TRIGGER))
    _state(http, namespace)
    return namespace


def _switch(http: Http, namespace: str, trigger: str, *, disabled: bool) -> Any:
    body = {"namespace": namespace, "flowId": "f", "triggerId": trigger, "disabled": disabled}
    path = "/triggers" if http.server.release < (2, 0) else "/triggers/set-disabled"
    return http.put(path, json=body)


def test_trigger_state__contains_trigger_and_next_date(http: Http, scheduled: str) -> None:
    state = _state(http, scheduled)
    assert (state["namespace"], state["flowId"], state["triggerId"]) == (scheduled, "f", "nightly")
    old = http.server.release < (2, 0)
    assert state["nextExecutionDate" if old else "nextEvaluationDate"]
    assert not state.get("disabled")


def test_a_search_gives_definitions_too(http: Http, scheduled: str) -> None:
    query = {"filters[namespace][EQUALS]": scheduled, "filters[flowId][EQUALS]": "f", "size": "10"}
    (found,) = http.get("/triggers/search", params=query).json()["results"]
    old = http.server.release < (2, 0)
    definition, state = ("abstractTrigger", "triggerContext") if old else ("trigger", "state")
    assert found[definition]["id"] == "nightly"
    assert found[state]["triggerId"] == "nightly"


def test_switching_off_shows_in_the_state_and_not_in_the_flow(http: Http, scheduled: str) -> None:
    before = http.get(f"/flows/{scheduled}/f", params={"source": "true"}).json()
    answer = _switch(http, scheduled, "nightly", disabled=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["disabled"] is True
    assert _state(http, scheduled)["disabled"] is True
    after = http.get(f"/flows/{scheduled}/f", params={"source": "true"}).json()
    assert (after["revision"], after["source"]) == (before["revision"], before["source"])


def test_an_unknown_trigger_or_flow_is_404(http: Http, scheduled: str) -> None:
    assert _switch(http, scheduled, "absent", disabled=True).status_code == 404
    assert _switch(http, f"{scheduled}.x", "nightly", disabled=True).status_code == 404


def test_the_way_to_switch_has_moved(http: Http, scheduled: str) -> None:
    body = {"namespace": scheduled, "flowId": "f", "triggerId": "nightly", "disabled": True}
    answer = http.put("/triggers", json=body)
    if http.server.release < (2, 0):
        assert answer.status_code == 200
    else:
        assert answer.status_code in (404, 405)


def test_a_trigger_that_is_not_locked_cannot_be_unlocked(http: Http, scheduled: str) -> None:
    assert http.post(f"/triggers/{scheduled}/f/nightly/unlock").status_code == 409
    assert http.post(f"/triggers/{scheduled}/f/absent/unlock").status_code == 404


def test_many_at_once(http: Http, scheduled: str) -> None:
    name = {"tenantId": "main", "namespace": scheduled, "flowId": "f", "triggerId": "nightly"}
    body = {"triggers": [name], "disabled": True}
    answer = http.post("/triggers/set-disabled/by-triggers", json=body)
    if http.server.release < (2, 0):
        assert (answer.status_code, answer.json()) == (200, {"count": 1})
    else:
        assert answer.status_code == 202
        assert answer.json()["totalItems"] == 1
