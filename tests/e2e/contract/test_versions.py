"""A table of the differences between Kestra 1.3 and 2.0: routes and responses.

The rows hold for whatever server the tests run against; the version that answers picks the column.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.contract.calls import (
    Statuses,
    create,
    created,
    ended,
    execute,
    stored,
    until_state,
    update,
    validate,
)
from tests.support.server import Http
from tests.support.sources import LOG, PAUSE, flow, log_flow, task

pytestmark = pytest.mark.versions

RETURN = "io.kestra.plugin.core.debug.Return"


_ROUTES = [
    ("GET", "/namespaces/{ns}/kv", Statuses(200, 405)),
    ("GET", "/namespaces/{ns}/secrets", Statuses(200, 404)),
    ("GET", "/namespaces/{ns}/inherited-secrets", Statuses(200, 200)),
    ("GET", "/secrets", Statuses(200, 200)),
    ("GET", "/kv", Statuses(200, 200)),
    ("DELETE", "/executions/unknown/kill", Statuses(404, 405)),
    ("DELETE", "/executions/unknown/actions/kill", Statuses(404, 404)),
    ("GET", "/outputs/executions/unknown", Statuses(404, 404)),
    ("GET", "/flows/{ns}/never/revisions", Statuses(200, 200)),
    ("GET", "/namespaces/{ns}", Statuses(200, 200)),
    ("GET", "/apps/search", Statuses(404, 404)),
    ("GET", "/executions/search?filters[kind][EQUALS]=TEST", Statuses(200, 200)),
    ("GET", "/flows/search?filters[nope][EQUALS]=x", Statuses(422, 422)),
    ("GET", "/flows/search?filters[namespace][NOPE]=x", Statuses(422, 422)),
    ("GET", "/flows/search?filters[namespace][REGEX]=^(a|b)(\\..*)?$", Statuses(200, 400)),
    ("GET", "/flows/search?filters[namespace][REGEX]=^(a|b)($|\\.)", Statuses(200, 200)),
    ("GET", "/flows/search?filters[namespace][REGEX]=" + "a" * 1000, Statuses(200, 400)),
    ("GET", "/flows/search?page=0", Statuses(422, 422)),
    ("GET", "/flows/search?size=x", Statuses(422, 422)),
]


def test_status(http: Http, namespace: str) -> None:
    answers, expected = {}, {}
    for method, path, statuses in _ROUTES:
        route, _, query = path.format(ns=namespace).partition("?")
        name, _, value = query.partition("=")
        answer = http.request(method, route, params={name: value} if query else None)
        answers[f"{method} {path}"] = answer.status_code
        expected[f"{method} {path}"] = statuses.of(http)
    assert answers == expected


def test_an_existing_flow_is_422_or_409(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "twice"))
    answer = create(http, log_flow(namespace, "twice"))
    assert answer.status_code == Statuses(422, 409).of(http)
    errors = answer.json()["_embedded"].get("errors")
    if http.server.release < (2, 0):
        assert errors[0]["message"] == "Flow id already exists"
    else:
        assert errors is None
        assert "already exists in namespace" in answer.json()["message"]


def test_outputs__are_in_the_execution_or_separate(http: Http, namespace: str) -> None:
    """So are the task runs of a search."""
    source = flow(
        namespace,
        "f",
        task(RETURN, format="hello"),
        extra="outputs:\n  - {id: said, type: STRING, value: '{{ outputs.main.value }}'}\n",
    )
    created(http, source)
    execution_id: str = execute(http, namespace, "f")["id"]
    execution = ended(http, execution_id)
    assert execution["state"]["current"] == "SUCCESS"
    query = {"filters[namespace][EQUALS]": namespace, "size": "10"}
    (found,) = http.get("/executions/search", params=query).json()["results"]
    assert found["id"] == execution_id
    assert ("taskRunList" in found) is (http.server.release < (2, 0))
    (run,) = execution["taskRunList"]
    if http.server.release < (2, 0):
        assert execution["outputs"] == {"said": "hello"}
        assert run["outputs"]["value"] == "hello"
        assert run["executionId"] == execution_id
        return
    assert "outputs" not in execution
    assert not {"outputs", "executionId", "namespace", "flowId"} & set(run)
    assert http.get(f"/outputs/executions/{execution_id}").json() == {"said": "hello"}
    (information,) = http.get(f"/outputs/tasks/{execution_id}").json()
    assert (information["taskId"], information["taskRunId"]) == ("main", run["id"])
    of_task = http.get(f"/outputs/tasks/{execution_id}/{run['id']}").json()
    assert of_task["value"] == "hello"


def _resume(http: Http, execution_id: str, action: str = "resume") -> Any:
    prefix = "" if http.server.release < (2, 0) else "/actions"
    return http.post(f"/executions/{execution_id}{prefix}/{action}", files={"unused": (None, "x")})


def test_resume(http: Http, namespace: str) -> None:
    """Not what has ended; that may be killed, to no effect."""
    created(http, flow(namespace, "f", task(PAUSE)))
    execution_id = execute(http, namespace, "f")["id"]
    until_state(http, execution_id, frozenset({"PAUSED"}))
    assert _resume(http, execution_id).status_code == Statuses(204, 200).of(http)
    ended(http, execution_id)
    assert _resume(http, execution_id).status_code == 409
    assert _resume(http, "unknown").status_code == 404
    action = "/kill" if http.server.release < (2, 0) else "/actions/kill"
    answer = http.delete(f"/executions/{execution_id}{action}")
    assert answer.status_code == Statuses(202, 200).of(http)
    assert http.get(f"/executions/{execution_id}").json()["state"]["current"] == "SUCCESS"


def test_properties_of_a_flow(http: Http, namespace: str) -> None:
    valid = {
        "draft: true": (False, True),
        "pluginDefaults: []": (True, False),
        "policyRefs: []": (False, True),
        "listeners: []": (True, False),
    }
    results = validate(http, *(log_flow(namespace, "f", extra=f"{it}\n") for it in valid))
    accepted = {it: "constraints" not in results[number] for number, it in enumerate(valid)}
    new = http.server.release >= (2, 0)
    assert accepted == {it: each[new] for it, each in valid.items()}


def test_types_that_a_server_has(http: Http) -> None:
    there = {
        LOG: (True, True),
        "io.kestra.plugin.core.flow.ForEach": (True, False),
        "io.kestra.plugin.core.flow.Loop": (False, True),
        "io.nope.Nope": (False, False),
    }
    for kind, each in there.items():
        answer = http.get(f"/api/v1/plugins/{kind}")
        assert answer.status_code == (200 if each[http.server.release >= (2, 0)] else 404), kind
        if answer.ok:
            assert {"properties", "outputs"} <= set(answer.json()["schema"])


def test_a_draft_is_shown_and_not_run(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f", "first"))
    source = log_flow(namespace, "f", "second", extra="draft: true\n")
    answer = update(http, namespace, "f", source)
    if http.server.release < (2, 0):
        # Lax: an unknown property is stored, and the flow runs as before.
        assert answer.ok
        assert execute(http, namespace, "f")["flowRevision"] == 2
        return
    assert answer.json()["draft"] is True
    assert stored(http, namespace, "f")["revision"] == 2
    assert execute(http, namespace, "f")["flowRevision"] == 1
    assert execute(http, namespace, "f", revision="2")["flowRevision"] == 2


def test_draft__without_an_earlier_revision_cannot_run(http: Http, namespace: str) -> None:
    answer = create(http, log_flow(namespace, "f", extra="draft: true\n"))
    assert answer.status_code == Statuses(422, 200).of(http)
    assert http.post(f"/executions/{namespace}/f").status_code == 404
