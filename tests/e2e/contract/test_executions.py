"""Executions: start, read, follow, kill, delete."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
import requests

from tests.e2e.contract.calls import (
    FINAL,
    Statuses,
    create,
    created,
    ended,
    events,
    execute,
    logs,
    until_state,
)
from tests.support.cleanup import executions_below
from tests.support.server import Http
from tests.support.sources import FAIL, LOG, PAUSE, SLEEP, flow, log_flow, task

pytestmark = pytest.mark.versions


def _listed(http: Http, namespace: str, **filters: str) -> list[str]:
    query = {"filters[namespace][EQUALS]": namespace, "size": "100", **filters}
    answer = http.get("/executions/search", params=query)
    assert answer.status_code == 200, answer.text
    return [it["id"] for it in answer.json()["results"]]


def _kill(http: Http, execution_id: str) -> requests.Response:
    action = "/actions/kill" if http.server.release >= (2, 0) else "/kill"
    return http.delete(f"/executions/{execution_id}{action}")


def test_start_answers_the_new_execution(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    execution = execute(http, namespace, "f")
    assert execution["id"]
    assert (execution["namespace"], execution["flowId"]) == (namespace, "f")
    assert execution["flowRevision"] == 1
    histories = execution["state"]["histories"]
    assert histories[0]["state"] == "CREATED"
    # 2.0 answers when the command is done: the execution may be further by then.
    assert len(histories) == 1 or http.server.release >= (2, 0)
    assert execution["url"].endswith(f"/executions/{namespace}/f/{execution['id']}")
    assert ended(http, execution["id"])["state"]["current"] == "SUCCESS"


def test_wait__answers_the_end(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    assert execute(http, namespace, "f", wait="true")["state"]["current"] == "SUCCESS"


def test_trap__wait_answers_200_for_a_failed_run(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(FAIL)))
    assert execute(http, namespace, "f", wait="true")["state"]["current"] == "FAILED"


def test_an_absent_flow_is_404(http: Http, namespace: str) -> None:
    assert http.post(f"/executions/{namespace}/absent").status_code == 404


def test_a_disabled_flow_is_409(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f", extra="disabled: true\n"))
    assert http.post(f"/executions/{namespace}/f").status_code == 409


def test_a_json_body_is_415(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    assert http.post(f"/executions/{namespace}/f", json={}).status_code == 415


def test_inputs__are_parts_and_files_too(http: Http, namespace: str) -> None:
    inputs = "inputs:\n  - {id: number, type: INT}\n  - {id: file, type: FILE}\n"
    message = '"{{ read(inputs.file) }} {{ inputs.number }}"'
    created(http, log_flow(namespace, "f", message, extra=inputs))
    path = f"/executions/{namespace}/f"
    missing = http.post(path)
    assert missing.status_code == 422
    assert "file" in missing.text or "number" in missing.text
    bad = http.post(path, files={"number": (None, "many"), "file": ("a.txt", "content")})
    assert bad.status_code == 422
    assert "number" in bad.text
    good = http.post(path, files={"number": (None, "7"), "file": ("a.txt", "content")})
    assert good.status_code == 200
    assert ended(http, good.json()["id"])["inputs"]["number"] == 7
    logs(http, good.json()["id"], "content 7")


def test_labels_are_one_parameter_each(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    query = [("labels", "a:b"), ("labels", "c:d:e")]
    execution = http.post(f"/executions/{namespace}/f", params=query).json()
    labels = {it["key"]: it["value"] for it in execution["labels"]}
    assert (labels["a"], labels["c"]) == ("b", "d:e")
    ended(http, execution["id"])
    assert _listed(http, namespace, **{"filters[labels][EQUALS][a]": "b"}) == [execution["id"]]
    assert _listed(http, namespace, **{"filters[labels][EQUALS][a]": "x"}) == []


def test_trap__a_comma_does_not_part_labels(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    labels = execute(http, namespace, "f", labels="a:b,c:d")["labels"]
    assert {"key": "a", "value": "b,c:d"} in labels
    assert "c" not in [it["key"] for it in labels]


def test_system_labels_are_refused_but_for_the_correlation_id(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    path = f"/executions/{namespace}/f"
    assert http.post(path, params={"labels": "system.mine:x"}).status_code >= 400
    assert http.post(path, params={"labels": "system.correlationId:x"}).status_code == 200


def test_execution__kind_test_is_not_listed(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    normal = execute(http, namespace, "f")
    hidden = execute(http, namespace, "f", kind="TEST")
    assert hidden["kind"] == "TEST"
    ended(http, normal["id"])
    ended(http, hidden["id"])
    assert _listed(http, namespace) == [normal["id"]]
    assert {it["id"] for it in executions_below(http, namespace)} == {normal["id"], hidden["id"]}


def test_trap__an_unknown_kind_is_ignored(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    assert execute(http, namespace, "f", kind="REHEARSAL").get("kind") in (None, "NORMAL")


def test_an_older_revision_can_run(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f", "old"))
    http.put(
        f"/flows/{namespace}/f",
        data=log_flow(namespace, "f", "new"),
        headers={"Content-Type": "application/x-yaml"},
    )
    execution = execute(http, namespace, "f", revision="1")
    assert execution["flowRevision"] == 1
    logs(http, execution["id"], "old")
    assert http.post(f"/executions/{namespace}/f", params={"revision": 9}).status_code == 404


def test_follow__has_start_progress_and_end(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(SLEEP, duration="PT1S")))
    execution_id = execute(http, namespace, "f")["id"]
    with http.get(f"/executions/{execution_id}/follow", stream=True) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        seen = list(events(answer))
    assert seen[0].id == "start"
    assert "state" not in json.loads(seen[0].data)
    assert {it.id for it in seen[1:-1]} <= {"progress"}
    assert seen[-1].id == "end"
    assert json.loads(seen[-1].data)["state"]["current"] == "SUCCESS"
    assert all(set(it.fields) == {"id", "data"} for it in seen), "there is no event: line"


def test_follow_of_an_ended_execution_ends_at_once(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f"))
    execution_id = execute(http, namespace, "f", wait="true")["id"]
    ended(http, execution_id)
    with http.get(f"/executions/{execution_id}/follow", stream=True) as answer:
        assert [it.id for it in events(answer)] == ["start", "end"]


def test_trap__follow_of_an_unknown_execution_starts_then_breaks(http: Http) -> None:
    start = time.monotonic()
    seen: list[str] = []
    with (
        http.get("/executions/unknown/follow", stream=True) as answer,
        contextlib.suppress(requests.RequestException),
    ):
        seen.extend(event.id for event in events(answer))
    assert seen == ["start"]
    assert time.monotonic() - start > 5


def test_an_unknown_execution_is_404(http: Http) -> None:
    assert http.get("/executions/unknown").status_code == 404
    assert http.delete("/executions/unknown").status_code == 404
    assert _kill(http, "unknown").status_code == 404


def test_delete(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f", "trace me"))
    execution_id = execute(http, namespace, "f", wait="true")["id"]
    ended(http, execution_id)
    logs(http, execution_id, "trace me")
    query = {"deleteLogs": "true", "deleteMetrics": "true", "deleteStorage": "true"}
    answer = http.delete(f"/executions/{execution_id}", params=query)
    assert (answer.status_code, answer.content) == (204, b"")
    assert http.get(f"/executions/{execution_id}").status_code == 404
    assert http.delete(f"/executions/{execution_id}").status_code == 404
    assert http.get(f"/logs/{execution_id}").json() == []


def test_delete__may_leave_the_logs(http: Http, namespace: str) -> None:
    created(http, log_flow(namespace, "f", "trace me"))
    execution_id = execute(http, namespace, "f", wait="true")["id"]
    ended(http, execution_id)
    logs(http, execution_id, "trace me")
    assert http.delete(f"/executions/{execution_id}", params={"deleteLogs": "false"}).ok
    assert http.get(f"/logs/{execution_id}").json() != []
    http.delete(f"/logs/{execution_id}")


def test_kill(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(SLEEP, duration="PT120S")))
    execution_id = execute(http, namespace, "f")["id"]
    until_state(http, execution_id, frozenset({"RUNNING"}))
    assert _kill(http, execution_id).status_code == Statuses(202, 200).of(http)
    assert ended(http, execution_id)["state"]["current"] == "KILLED"


def test_trap__a_paused_run_waits_for_a_person(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(PAUSE)))
    execution_id = execute(http, namespace, "f")["id"]
    paused = until_state(http, execution_id, FINAL | {"PAUSED"})
    assert paused["state"]["current"] == "PAUSED"
    action = "/actions/resume" if http.server.release >= (2, 0) else "/resume"
    http.post(f"/executions/{execution_id}{action}")
    assert ended(http, execution_id)["state"]["current"] == "SUCCESS"


@pytest.fixture
def chatty(http: Http, namespace: str) -> str:
    """An ended execution that logged on several levels."""
    tasks = "".join(
        task(LOG, task_id=level.lower(), message=f"on {level}", level=level)
        for level in ("DEBUG", "INFO", "WARN")
    )
    assert create(http, flow(namespace, "chatty", tasks)).ok
    execution_id: str = execute(http, namespace, "chatty", wait="true")["id"]
    logs(http, execution_id, "on WARN")
    return execution_id


def test_logs__have_a_smallest_level(http: Http, chatty: str) -> None:
    by_filter = {"filters[level][GREATER_THAN_OR_EQUAL_TO]": "INFO"}
    query = {"minLevel": "INFO"} if http.server.release < (2, 0) else by_filter
    entries = logs(http, chatty, "on INFO", **query)
    assert [it["message"] for it in entries] == ["on INFO", "on WARN"]
    assert {it["taskId"] for it in entries} == {"info", "warn"}
    assert {it["level"] for it in entries} == {"INFO", "WARN"}


def test_logs_can_be_downloaded(http: Http, chatty: str) -> None:
    answer = http.get(f"/logs/{chatty}/download")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "WARN on WARN" in answer.text


def test_logs_can_be_followed(http: Http, chatty: str) -> None:
    seen: list[str] = []
    with http.get(f"/logs/{chatty}/follow", stream=True, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for event in events(answer):
            seen.append(event.data)
            if "on WARN" in event.data:
                break
    assert any("on INFO" in data for data in seen)


def test_the_logs_of_an_unknown_execution_are_empty(http: Http) -> None:
    answer = http.get("/logs/unknown")
    assert (answer.status_code, answer.json()) == (200, [])
