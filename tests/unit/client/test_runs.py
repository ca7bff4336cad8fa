from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from kestra_sync.client import errors
from kestra_sync.client.client import KestraClient, ServerInfo
from kestra_sync.client.execution import execution_of
from kestra_sync.client.follow import FollowTimeout, PollInterval
from kestra_sync.client.logs import LogEntry, log_entry_of
from kestra_sync.errors import UsageError
from kestra_sync.model import FlowId, Scope

from .scripted import Reply, ScriptedServer, Seen, as_json

BASE = "/api/v1/main/executions"
LOGS = "/api/v1/main/logs"
OUTPUTS = "/api/v1/main/outputs"
FLOW = FlowId("a.b", "c")
STARTS = f"{BASE}/a.b/c"


def run(state: str = "RUNNING", **more: object) -> dict[str, object]:
    return {
        "id": "x1",
        "namespace": "a.b",
        "flowId": "c",
        "flowRevision": 2,
        "state": {"current": state, "startDate": "2026-01-01T00:00:00Z", "duration": 1.5},
        **more,
    }


def stream(*events: tuple[str, object], cut: bool = False) -> Reply:
    chunks = [f"id: {kind}\ndata: {json.dumps(data)}\n\n".encode() for kind, data in events]
    return Reply(chunks=chunks, cut=cut, headers={"Content-Type": "text/event-stream"})


STUB = ("start", {"id": "x1", "namespace": "a.b", "flowId": "c"})


# What an execution is


def test_execution() -> None:
    execution = execution_of(
        run(
            "FAILED",
            kind="TEST",
            url="http://k/ui",
            labels=[{"key": "a", "value": "b"}, {"key": "c"}, "?"],
            inputs={"i": 1},
            outputs={"o": 2},
            taskRunList=[
                {
                    "id": "t1",
                    "taskId": "t",
                    "state": {"current": "FAILED"},
                    "outputs": {"v": 1},
                    "attempts": [{}, {}],
                    "value": "item",
                },
                "?",
            ],
        )
    )
    assert (execution.flow_id, execution.state, execution.revision) == (FLOW, "FAILED", 2)
    assert execution.is_final
    assert (execution.kind, execution.url) == ("TEST", "http://k/ui")
    assert execution.labels == {"a": "b", "c": ""}
    assert (execution.inputs, execution.outputs) == ({"i": 1}, {"o": 2})
    (task,) = execution.task_runs
    assert (task.task_id, task.state, task.attempts, task.value) == ("t", "FAILED", 2, "item")
    assert task.outputs == {"v": 1}
    assert (execution.start, execution.duration) == ("2026-01-01T00:00:00Z", "1.5")
    assert execution_of(run(labels={"a": 1})).labels == {"a": "1"}
    assert execution.raw["kind"] == "TEST"


@pytest.mark.parametrize("data", [None, [], {}, {"id": "x", "namespace": "a"}])
def test_what_is_not_an_execution(data: object) -> None:
    with pytest.raises(errors.UnexpectedAnswer):
        execution_of(data)


# Starting


def test_create(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", STARTS, as_json(run("CREATED")))
    assert client.executions.create(FLOW).state == "CREATED"
    seen = scripted.seen[0]
    assert seen.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert seen.query == ()


def test_create_with_everything(
    scripted: ScriptedServer, client: KestraClient, tmp_path: Path
) -> None:
    scripted.on("POST", STARTS, as_json(run("SUCCESS", kind="TEST")))
    path = tmp_path / "data.csv"
    path.write_bytes(b"1;2")
    client.executions.create(
        FLOW,
        inputs={"s": "ä", "n": 3, "b": True, "j": {"k": [1]}, "p": path, "raw": b"\0", "no": None},
        labels={"team": "a:b", "env": "x,y"},
        wait=True,
        revision=4,
        schedule_date=datetime(2030, 1, 2, tzinfo=timezone.utc),
        breakpoints=["t1", "t2"],
        kind="TEST",
    )
    seen = scripted.seen[0]
    assert [value for name, value in seen.query if name == "labels"] == ["team:a:b", "env:x,y"]
    assert seen.params["wait"] == "true"
    assert seen.params["revision"] == "4"
    assert datetime.fromisoformat(seen.params["scheduleDate"]) == datetime(
        2030, 1, 2, tzinfo=timezone.utc
    )
    assert (seen.params["breakpoints"], seen.params["kind"]) == ("t1,t2", "TEST")
    for text in (
        'name="s"\r\n\r\nä\r\n',
        'name="n"\r\n\r\n3\r\n',
        'name="b"\r\n\r\ntrue\r\n',
        'name="j"\r\n\r\n{"k": [1]}\r\n',
        'name="p"; filename="data.csv"',
        'name="raw"; filename="raw"',
    ):
        assert text.encode() in seen.body
    assert b'name="no"' not in seen.body


def test_date__as_text_is_sent_unchanged(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", STARTS, as_json(run()))
    client.executions.create(FLOW, schedule_date="2030-01-02T00:00:00Z")
    assert scripted.seen[0].params["scheduleDate"] == "2030-01-02T00:00:00Z"


def test_an_input_file_that_is_not_there(client: KestraClient) -> None:
    with pytest.raises(UsageError, match=r"input f: .*cannot be read"):
        client.executions.create(FLOW, inputs={"f": Path("absent")})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, errors.NotFound), (409, errors.ConflictingState), (422, errors.InvalidContent)],
)
def test_create_that_fails(
    scripted: ScriptedServer, client: KestraClient, status: int, kind: type[Exception]
) -> None:
    scripted.on("POST", STARTS, Reply(status))
    with pytest.raises(kind):
        client.executions.create(FLOW)


def test_an_answer_that_is_not_an_execution(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("POST", STARTS, as_json({}))
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        client.executions.create(FLOW)
    assert caught.value.may_have_written


@pytest.mark.parametrize("killed", [202, 409])
def test_a_kind_that_the_server_ignores(
    scripted: ScriptedServer, client: KestraClient, killed: int
) -> None:
    scripted.on("POST", STARTS, as_json(run()))
    scripted.on("DELETE", f"{BASE}/x1/kill", Reply(killed))
    with pytest.raises(errors.UnexpectedAnswer, match="have kind TEST, but has NORMAL") as caught:
        client.executions.create(FLOW, kind="TEST")
    assert caught.value.may_have_written
    assert len(scripted.asked("DELETE", f"{BASE}/x1/kill")) == 1


# Acting


def test_delete(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("DELETE", f"{BASE}/x1", Reply(204))
    client.executions.delete("x1", logs=False)
    assert scripted.seen[0].params == {
        "deleteLogs": "false",
        "deleteMetrics": "true",
        "deleteStorage": "true",
    }


@pytest.mark.parametrize(("version", "prefix"), [("1.3.25", ""), ("2.0.0", "actions/")])
def test_execution_actions__have_the_path_of_the_version(
    scripted: ScriptedServer, client: KestraClient, version: str, prefix: str
) -> None:
    scripted.on("GET", "/api/v1/configs", as_json({"version": version}))
    scripted.on("DELETE", f"{BASE}/x1/{prefix}kill", Reply(202))
    scripted.on("POST", f"{BASE}/x1/{prefix}resume", Reply(204))
    client.executions.kill("x1")
    client.executions.resume("x1", {"answer": "yes"})
    assert b"yes" in scripted.seen[-1].body
    # A kill is answered in text/json, and 406 where application/json is asked for.
    assert [seen.headers["Accept"] for seen in scripted.seen[-2:]] == ["*/*", "*/*"]


def test_search(scripted: ScriptedServer, client: KestraClient) -> None:
    results = [
        run(id="1", labels=[{"key": "k", "value": "v"}]),
        run(id="2", namespace="ab", labels=[{"key": "k", "value": "v"}]),
        run(id="3", flowId="other", labels=[{"key": "k", "value": "v"}]),
        run(id="4"),
        run(id="5", labels=[{"key": "k", "value": "v"}]),
    ]
    results.append(results[0])  # moved down by a newer one while we read
    scripted.on("GET", f"{BASE}/search", as_json({"results": results, "total": 6}))
    found = client.executions.search(Scope(("a",)), flow_id="c", labels={"k": "v"}, kind="TEST")
    assert [execution.id for execution in found] == ["1", "5"]
    assert scripted.seen[0].params["filters[labels][EQUALS][k]"] == "v"
    assert scripted.seen[0].params["filters[kind][EQUALS]"] == "TEST"
    assert [item.id for item in client.executions.search(limit=2)] == ["1", "2"]
    assert len(client.executions.search()) == 5


def test_outputs_of_each_version(scripted: ScriptedServer, client: KestraClient) -> None:
    task = {"id": "t1", "taskId": "t", "state": {"current": "SUCCESS"}, "outputs": {"a": 1}}
    execution = execution_of(run("SUCCESS", outputs={"o": 1}, taskRunList=[task]))
    assert client.executions.with_outputs(execution) is execution
    assert client.executions.task_outputs(execution, execution.task_runs[0]) == {"a": 1}
    assert scripted.asked("GET", f"{OUTPUTS}/executions/x1") == []


def test_outputs__are_read_with_a_separate_request(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", "/api/v1/configs", as_json({"version": "2.0.0"}))
    scripted.on("GET", f"{OUTPUTS}/executions/x1", as_json({"o": [1, 2]}))
    scripted.on("GET", f"{OUTPUTS}/tasks/x1/t1", as_json({"a": 1}))
    task = {"id": "t1", "taskId": "t", "state": {"current": "SUCCESS"}}
    execution = execution_of(run("SUCCESS", taskRunList=[task]))
    assert client.executions.with_outputs(execution).outputs == {"o": [1, 2]}
    assert client.executions.task_outputs(execution, execution.task_runs[0]) == {"a": 1}


def test_subflows__started_executions_are_found(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    ours = [{"key": "system.correlationId", "value": "x1"}]
    root = execution_of(run("FAILED", kind="TEST", labels=ours))
    assert client.executions.started_by(root) == ()  # 1.3 makes no executions of iterations
    by_kind = {
        "TEST": [
            run(kind="TEST", labels=ours),
            run(id="x3", kind="TEST", labels=ours, trigger={"variables": {"taskRunId": "t3"}}),
            run(id="y1", kind="TEST", labels=[{"key": "system.correlationId", "value": "other"}]),
        ],
        "LOOP": [
            run(id="x2", kind="LOOP", labels=ours, loopRun={"taskRunId": "t2", "value": "item"})
        ],
        None: [run(id="x4", labels=ours)],
    }

    def search(seen: Seen) -> Reply:
        results = by_kind[seen.params.get("filters[kind][EQUALS]")]
        return as_json({"results": results, "total": len(results)})

    scripted.on("GET", f"{BASE}/search", search)
    newer = KestraClient(client.url, token="t")
    newer._info = ServerInfo("2.0.0", (2, 0, 0), "OSS", "system")
    found = {each.id: each for each in newer.executions.started_by(root)}
    newer.close()
    assert set(found) == {"x2", "x3", "x4"}
    assert (found["x2"].started_by, found["x2"].loop_value) == ("t2", "item")
    assert (found["x3"].started_by, found["x3"].loop_value) == ("t3", None)


# Following


def follow(client: KestraClient, **settings: float) -> list[str]:
    return [execution.state for execution in client.executions.follow("x1", **settings)]


def test_follow(scripted: ScriptedServer, client: KestraClient) -> None:
    ended = run("SUCCESS", outputs={"all": "of it"})
    scripted.on("GET", f"{BASE}/x1", as_json(run("CREATED")), as_json(ended))
    task = {"id": "t", "taskId": "t", "state": {"current": "RUNNING"}}
    scripted.on(
        "GET",
        f"{BASE}/x1/follow",
        stream(
            STUB,
            ("progress", run("CREATED")),
            ("progress", run("RUNNING")),
            ("progress", run("RUNNING")),
            ("progress", run("RUNNING", taskRunList=[task])),
            ("end", run("SUCCESS")),
        ),
    )
    seen = list(client.executions.follow("x1"))
    assert [item.state for item in seen] == ["CREATED", "RUNNING", "RUNNING", "SUCCESS"]
    assert seen[-1].outputs == {"all": "of it"}
    assert scripted.seen[1].headers["Accept"] == "text/event-stream"


def test_follow_what_is_over(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/x1", as_json(run("FAILED")))
    assert follow(client) == ["FAILED"]
    assert len(scripted.seen) == 1


def test_follow_an_unknown_one_ends_at_once(scripted: ScriptedServer, client: KestraClient) -> None:
    with pytest.raises(errors.NotFound):
        follow(client)
    assert len(scripted.seen) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Reply(404),
        Reply(503),
        Reply(hang_up=True),
        stream(STUB, cut=True),
        stream(STUB, ("progress", "nonsense")),
        stream(("progress", run("")), ("end", run("RUNNING"))),
        Reply(200, b"<html>not a stream</html>"),
        Reply(200, b"id: progress\ndata: {\n\n"),
    ],
)
def test_follow_by_reads_where_the_stream_fails(
    scripted: ScriptedServer, client: KestraClient, naps: list[float], broken: Reply
) -> None:
    scripted.on(
        "GET",
        f"{BASE}/x1",
        as_json(run("CREATED")),
        as_json(run("RUNNING")),
        as_json(run("RUNNING")),
        as_json(run("RUNNING")),
        as_json(run("SUCCESS")),
    )
    scripted.on("GET", f"{BASE}/x1/follow", broken)
    assert follow(client) == ["CREATED", "RUNNING", "SUCCESS"]
    assert naps[0] == 0.25
    assert sorted(naps) == naps  # the less happens, the longer it waits


def test_follow__without_permission_for_the_stream(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", f"{BASE}/x1", as_json(run("CREATED")))
    scripted.on("GET", f"{BASE}/x1/follow", Reply(401))
    with pytest.raises(errors.Unauthorized):
        follow(client)


def ticking(client: KestraClient, *seconds: float) -> None:
    """A clock that shows these, then goes on by ten a look."""
    times = list(seconds)

    def clock() -> float:
        return times.pop(0) if len(times) > 1 else times[0]

    client.executions._pace = PollInterval(sleep=lambda _: None, clock=clock)


def test_follow_up_to_a_time_limit(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/x1", as_json(run("PAUSED")))
    scripted.on("GET", f"{BASE}/x1/follow", stream(STUB))
    ticking(client, 0, 1, 2, 99)
    with pytest.raises(FollowTimeout, match="still PAUSED after 10 seconds") as caught:
        follow(client, timeout=10)
    assert caught.value.execution.id == "x1"


def test_a_stream_does_not_outlast_the_time_limit(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", f"{BASE}/x1", as_json(run("RUNNING")))
    many = [("progress", run("RUNNING"))] * 5
    scripted.on("GET", f"{BASE}/x1/follow", stream(STUB, *many))
    ticking(client, 0, 1, 99)
    with pytest.raises(FollowTimeout):
        follow(client, timeout=10)


# Logs


def line(message: object, second: int = 0, digits: str = "000000") -> dict[str, object]:
    return {
        "timestamp": f"2026-01-01T00:00:0{second}.123{digits}Z",
        "level": "INFO",
        "message": message,
        "taskId": "t",
        "taskRunId": "r",
        "attemptNumber": 0,
    }


def test_logs(scripted: ScriptedServer, client: KestraClient) -> None:
    quiet = {**line("quiet", 3), "level": "DEBUG"}
    odd = {**line("odd", 4), "level": "NOTICE"}
    messages = [line("b", 2), line(None), line("a", 1), quiet, odd, "?"]
    scripted.on("GET", f"{LOGS}/x1", as_json(messages))
    # 2.0 ignores minLevel, 1.x the filter, and neither says so: both are sent, and what comes is
    # filtered again.
    entries = client.logs.get("x1", "INFO")
    assert [entry.message for entry in entries] == ["a", "b", "odd"]
    assert entries[0].task_id == "t"
    assert scripted.seen[0].params == {
        "minLevel": "INFO",
        "filters[level][GREATER_THAN_OR_EQUAL_TO]": "INFO",
    }
    assert len(client.logs.get("x1")) == 4
    assert log_entry_of({"message": 1, "taskId": 2}) == LogEntry("", "INFO", "1")


def test_follow_logs(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/x1", as_json(run()), as_json(run()), as_json(run("SUCCESS")))
    scripted.on(
        "GET",
        f"{LOGS}/x1",
        as_json([line("one")]),
        as_json([line("one"), line("two", 1)]),
        as_json([line("one"), line("two", 1), line("three", 2)]),
    )
    scripted.on(
        "GET",
        f"{LOGS}/x1/follow",
        stream(("start", {}), ("progress", line("one", digits="000999")), ("end", line("two", 1))),
        Reply(200, b"data: nonsense\n\n"),
        Reply(hang_up=True),
    )
    assert [entry.message for entry in client.logs.follow("x1")] == ["one", "two", "three"]


def test_follow_logs_of_a_broken_stream(scripted: ScriptedServer, client: KestraClient) -> None:
    scripted.on("GET", f"{BASE}/x1", as_json(run()), as_json(run("SUCCESS")))
    scripted.on("GET", f"{LOGS}/x1", as_json([]), as_json([line("one")]))
    scripted.on("GET", f"{LOGS}/x1/follow", Reply(hang_up=True))
    assert [entry.message for entry in client.logs.follow("x1")] == ["one"]
    with pytest.raises(errors.NotFound):
        list(client.logs.follow("unknown"))
