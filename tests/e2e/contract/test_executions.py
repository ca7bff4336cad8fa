"""Executions: start, read, follow, kill, delete."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
import requests

from tests.e2e.contract.calls import (
    Statuses,
    created,
    ended,
    events,
    execute,
    logs,
)
from tests.support.server import Http
from tests.support.sources import FAIL, LOG, SLEEP, flow, log_flow, task

pytestmark = pytest.mark.versions


def test_start_answers_the_new_execution(http: Http, namespace: str) -> None:
    """Labels are one parameter each, and a comma does not part them; unknown kinds are ignored."""
    created(http, log_flow(namespace, "f"))
    path = f"/executions/{namespace}/f"
    query = [("labels", "a:b,x:y"), ("labels", "c:d:e"), ("kind", "REHEARSAL")]
    execution = http.post(path, params=query).json()
    assert execution["id"]
    assert (execution["namespace"], execution["flowId"]) == (namespace, "f")
    assert execution["flowRevision"] == 1
    assert execution.get("kind") in (None, "NORMAL")
    labels = {it["key"]: it["value"] for it in execution["labels"]}
    assert (labels["a"], labels["c"], "x" in labels) == ("b,x:y", "d:e", False)
    histories = execution["state"]["histories"]
    assert histories[0]["state"] == "CREATED"
    # 2.0 answers when the command is done: the execution may be further by then.
    assert len(histories) == 1 or http.server.release >= (2, 0)
    assert execution["url"].endswith(f"/executions/{namespace}/f/{execution['id']}")
    assert ended(http, execution["id"])["state"]["current"] == "SUCCESS"
    without = http.get(f"/outputs/executions/{execution['id']}")
    assert without.status_code == Statuses(404, 200).of(http)
    assert not without.ok or without.json() == {}


def test_start__absent_revisions_and_system_labels_are_refused(http: Http, namespace: str) -> None:
    """But for the label with the correlation id."""
    created(http, log_flow(namespace, "f"))
    path = f"/executions/{namespace}/f"
    assert http.post(path, params={"revision": 9}).status_code == 404
    assert http.post(path, params={"labels": "system.mine:x"}).status_code >= 400
    assert http.post(path, params={"labels": "system.correlationId:x"}).status_code == 200


def test_trap__wait_answers_200_for_a_failed_run(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(FAIL)))
    assert execute(http, namespace, "f", wait="true")["state"]["current"] == "FAILED"


def test_follow__has_start_progress_and_end(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(SLEEP, duration="PT0.5S")))
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
    # What has ended ends at once.
    with http.get(f"/executions/{execution_id}/follow", stream=True) as answer:
        assert [it.id for it in events(answer)] == ["start", "end"]


@pytest.mark.once  # takes ten seconds
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


def test_logs__by_level_in_two_ways_as_a_file_and_as_a_stream(http: Http, namespace: str) -> None:
    tasks = "".join(
        task(LOG, task_id=level.lower(), message=f"on {level}", level=level)
        for level in ("DEBUG", "WARN")
    )
    created(http, flow(namespace, "chatty", tasks))
    execution_id: str = execute(http, namespace, "chatty", wait="true")["id"]
    everything = logs(http, execution_id, "on WARN")
    assert [(it["taskId"], it["level"]) for it in everything] == [
        ("debug", "DEBUG"),
        ("warn", "WARN"),
    ]

    def messages(**query: str) -> list[str]:
        return [it["message"] for it in http.get(f"/logs/{execution_id}", params=query).json()]

    new = http.server.release >= (2, 0)
    some, both = ["on WARN"], ["on DEBUG", "on WARN"]
    assert messages(minLevel="WARN") == (both if new else some)
    by_filter = {"filters[level][GREATER_THAN_OR_EQUAL_TO]": "WARN"}
    assert messages(**by_filter) == (some if new else both)
    assert messages(minLevel="WARN", **by_filter) == some
    equal = http.get(f"/logs/{execution_id}", params={"filters[level][EQUALS]": "WARN"})
    assert equal.status_code == Statuses(200, 400).of(http)

    file = http.get(f"/logs/{execution_id}/download")
    assert file.status_code == 200
    assert file.headers["Content-Type"].startswith("text/plain")
    assert "WARN on WARN" in file.text
    seen: list[str] = []
    with http.get(f"/logs/{execution_id}/follow", stream=True, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for event in events(answer):
            seen.append(event.data)
            if "on WARN" in event.data:
                break
    assert any("on DEBUG" in data for data in seen)
    unknown = http.get("/logs/unknown")
    assert (unknown.status_code, unknown.json()) == (200, [])
