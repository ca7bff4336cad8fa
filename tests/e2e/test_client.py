"""The client against a real server: every call, and the pitfalls of the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kestra_sync import KestraClient
from kestra_sync.client import errors
from kestra_sync.client.execution import Execution
from kestra_sync.client.follow import FollowTimeout
from kestra_sync.client.logs import LogEntry
from kestra_sync.client.parallel import threads
from kestra_sync.model import FlowId, Scope
from tests.support.server import Server

pytestmark = pytest.mark.versions

LOG_TASK = """\
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: "{message}"
"""
WAITING = """\
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
"""
SECONDS = 60.0


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[KestraClient]:
    with KestraClient(
        server.url,
        tenant=server.tenant,
        token=server.token,
        username=server.username or None,
        password=server.password or None,
        env_file=None,
    ) as made:
        yield made


def source(flow_id: FlowId, body: str = LOG_TASK, message: str = "hello") -> bytes:
    head = f"id: {flow_id.id}\nnamespace: {flow_id.namespace}\n"
    return (head + body.replace("{message}", message)).encode()


def finish(client: KestraClient, execution: Execution) -> Execution:
    return list(client.executions.follow(execution.id, timeout=SECONDS))[-1]


def logs_of(client: KestraClient, execution_id: str) -> tuple[LogEntry, ...]:
    """Messages come a little after the state."""
    for _ in range(50):
        entries = client.logs.get(execution_id)
        if entries:
            return entries
        time.sleep(0.1)
    return ()


def test_server(client: KestraClient, server: Server) -> None:
    info = client.server_info()
    assert info.version == server.version
    assert info.at_least(0, 23)
    assert info.edition in {"OSS", "EE"}


# Flows


def test_life_of_a_flow(client: KestraClient, namespace: str) -> None:
    flow = FlowId(namespace, "life")
    text = source(flow, message="grüße 😀")
    created = client.flows.create(text)
    assert (created.flow_id, created.source, created.revision) == (flow, text, 1)
    with pytest.raises(errors.AlreadyExists):
        client.flows.create(text)
    assert client.flows.update(flow, text).revision == 1
    changed = text + b"\n"
    assert client.flows.update(flow, changed).revision == 2
    assert client.flows.get(flow) == client.flows.update(flow, changed)
    assert client.flows.get(flow, revision=1).source == text
    assert [live.revision for live in client.flows.revisions(flow)] == [1, 2]
    client.flows.delete(flow)
    for call in (client.flows.get, client.flows.delete):
        with pytest.raises(errors.NotFound):
            call(flow)
    assert client.flows.get(flow, allow_deleted=True).source == changed
    with pytest.raises(errors.NotFound):
        client.flows.update(flow, text)
    assert client.flows.create(text).revision == 4  # the deletion was the third
    assert isinstance(client.flows.dependencies(flow), dict)


def test_what_the_server_refuses(client: KestraClient, namespace: str) -> None:
    flow = FlowId(namespace, "strict")
    for bad in (
        source(flow).replace(b"message", b"mesage"),
        source(flow).partition(b"tasks")[0],
        b"id: {{ x }}\n",
    ):
        with pytest.raises(errors.InvalidContent) as caught:
            client.flows.create(bad)
        assert caught.value.server_message
    client.flows.create(source(flow))
    with pytest.raises(errors.InvalidContent):
        client.flows.update(flow, source(FlowId(namespace, "other")))


def test_render__bytes_are_unchanged(client: KestraClient, namespace: str) -> None:
    shapes = ("{}\n\n", "# first\n{}# last", "\ufeff{}", "---\n{}", "{}...\n", "\r\n{}\r\n\r\n")
    sources = {}
    for number, shape in enumerate(shapes):
        flow = FlowId(namespace, f"bytes{number}")
        text = shape.format(source(flow, message="äöü 😀").decode())
        if number % 2:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        sources[flow] = text.encode()
        client.flows.create(sources[flow])
        assert client.flows.get(flow).source == sources[flow]
    assert sorted(client.flows.export(Scope((namespace,)))) == sorted(sources.values())


def test_validate_many(client: KestraClient, namespace: str) -> None:
    flows = [FlowId(namespace, f"flow{number}") for number in range(150)]
    sources = [source(flow) for flow in flows]
    sources[7] = b"id: {{ x }}\n bad: [\n"
    sources[8] = b"# about it\n---\n" + sources[8]
    sources[9] = sources[9].partition(b"tasks")[0]
    sources[70] = b""
    for number in (0, 99, 100, 149):
        sources[number] = source(flows[number]).replace(b"message", b"mesage")
    results = client.flows.validate(sources)
    assert [result.index for result in results] == list(range(150))
    wrong = {0, 7, 9, 70, 99, 100, 149}
    assert {result.index for result in results if not result.valid} == wrong
    for number in set(range(150)) - wrong:
        assert results[number].flow_id == flows[number]
    assert "mesage" in results[149].constraints[0]
    assert client.flows.search(Scope((namespace,))) == ()


def test_search_and_export(client: KestraClient, namespace: str) -> None:
    flows = [
        FlowId(namespace, "a"),
        FlowId(f"{namespace}.below", "b"),
        FlowId(f"{namespace}.below", "c"),
        FlowId(f"{namespace}2", "not-below"),
    ]
    try:
        for flow in flows:
            client.flows.create(source(flow))
        scope = Scope((namespace,))
        for size in (1, 2, 1000):
            found = client.flows.search(scope, page_size=size)
            assert sorted(item.flow_id for item in found) == flows[:3]
            assert {item.revision for item in found} == {1}
        exact = Scope((namespace,), exact=True)
        assert [item.flow_id for item in client.flows.search(exact)] == flows[:1]
        assert sorted(client.flows.export(scope)) == sorted(source(flow) for flow in flows[:3])
        assert client.flows.export(exact) == (source(flows[0]),)
        several = Scope((f"{namespace}.below", f"{namespace}2"))
        assert sorted(client.flows.export(several)) == sorted(source(flow) for flow in flows[1:])
        assert client.flows.export(Scope((f"{namespace}.none",))) == ()
        assert set(client.flows.namespaces()) >= {flow.namespace for flow in flows}
        assert client.flows.export_by_ids(flows[:1]) == (source(flows[0]),)
        with pytest.raises(errors.NotFound):
            client.flows.export_by_ids([flows[0], FlowId(namespace, "absent")])
    finally:
        client.flows.delete(flows[3])  # outside of what is cleaned up


def test_export_of_colliding_names(client: KestraClient, namespace: str) -> None:
    flows = [FlowId(f"{namespace}.co", "team-etl"), FlowId(f"{namespace}.co-team", "etl")]
    for flow in flows:
        client.flows.create(source(flow))
    found = client.flows.export(Scope((namespace,)))
    assert sorted(found) == sorted(source(flow) for flow in flows)


def test_disabled_flows_are_reported(client: KestraClient, namespace: str) -> None:
    flow = FlowId(namespace, "off")
    client.flows.create(source(flow, f"disabled: true\n{LOG_TASK}"))
    assert client.flows.search(Scope((namespace,)))[0].disabled
    with pytest.raises(errors.ConflictingState):
        client.executions.create(flow)


# Executions and logs


@pytest.fixture
def flow(client: KestraClient, namespace: str) -> FlowId:
    """A flow that says hello."""
    flow = FlowId(namespace, "hello")
    client.flows.create(source(flow))
    return flow


def test_run_and_follow(client: KestraClient, flow: FlowId) -> None:
    started = client.executions.create(flow, labels={"team": "a:b,c"})
    assert started.labels["team"] == "a:b,c"
    assert (started.flow_id, started.revision, started.kind) == (flow, 1, "NORMAL")
    ended = finish(client, started)
    assert ended.state == "SUCCESS"
    assert [run.task_id for run in ended.task_runs] == ["say"]
    assert client.executions.get(started.id) == ended
    entries = logs_of(client, started.id)
    assert [entry.message for entry in entries] == ["hello"]
    assert client.logs.get(started.id, "WARN") == ()
    assert [entry.message for entry in client.logs.follow(started.id)] == ["hello"]
    client.executions.kill(started.id)  # it is over: nothing happens
    assert client.executions.get(started.id).state == "SUCCESS"
    client.executions.delete(started.id)
    for call in (client.executions.get, client.executions.delete):
        with pytest.raises(errors.NotFound):
            call(started.id)


def test_inputs(client: KestraClient, namespace: str, tmp_path: Path) -> None:
    flow = FlowId(namespace, "inputs")
    inputs = "inputs:\n" + "".join(
        f"  - id: {name}\n    type: {kind}\n    required: {required}\n"
        for name, kind, required in (
            ("text", "STRING", "true"),
            ("number", "INT", "false"),
            ("file", "FILE", "false"),
        )
    )
    body = inputs + LOG_TASK
    client.flows.create(
        source(flow, body, "{{ inputs.text }} {{ inputs.number }} {{ read(inputs.file) }}")
    )
    path = tmp_path / "data.txt"
    path.write_text("from a file", encoding="utf-8")
    started = client.executions.create(
        flow, inputs={"text": "grüße, 😀", "number": 5, "file": path}
    )
    assert finish(client, started).state == "SUCCESS"
    assert [entry.message for entry in logs_of(client, started.id)] == ["grüße, 😀 5 from a file"]
    for wrong in (None, {"text": "x", "number": "many"}):
        with pytest.raises(errors.InvalidContent):
            client.executions.create(flow, inputs=wrong)


def test_start__with_a_kind_a_revision_or_the_end(client: KestraClient, flow: FlowId) -> None:
    client.flows.update(flow, source(flow, message="again"))
    older = client.executions.create(flow, revision=1, kind="TEST")
    assert (older.revision, older.kind) == (1, "TEST")
    newest = client.executions.create(flow, wait=True)
    assert (newest.revision, newest.state) == (2, "SUCCESS")
    with pytest.raises(errors.UnexpectedAnswer, match="should have kind NONE, but has NORMAL"):
        client.executions.create(flow, kind="NONE")
    assert finish(client, older).state == "SUCCESS"


def test_schedule_date(client: KestraClient, flow: FlowId) -> None:
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    started = client.executions.create(flow, schedule_date=later)
    time.sleep(0.5)
    assert client.executions.get(started.id).state == "CREATED"
    client.executions.delete(started.id)


def test_breakpoints(client: KestraClient, flow: FlowId) -> None:
    started = client.executions.create(flow, breakpoints=["say"])
    for seen in client.executions.follow(started.id, timeout=SECONDS):
        if seen.state == "BREAKPOINT":
            break
    else:
        pytest.fail("it did not stop at the breakpoint")


def test_kill_and_resume(client: KestraClient, namespace: str) -> None:
    flow = FlowId(namespace, "waiting")
    client.flows.create(source(flow, WAITING))
    killed, resumed = client.executions.create(flow), client.executions.create(flow)
    with pytest.raises(FollowTimeout) as caught:
        list(client.executions.follow(killed.id, timeout=3))
    assert caught.value.execution.state == "PAUSED"
    client.executions.kill(killed.id)
    assert finish(client, killed).state == "KILLED"
    for seen in client.executions.follow(resumed.id, timeout=SECONDS):
        if seen.state == "PAUSED":
            client.executions.resume(resumed.id)
    assert seen.state == "SUCCESS"


def test_executions_that_are_not_there(client: KestraClient, namespace: str) -> None:
    for call in (client.executions.get, client.executions.kill, client.executions.delete):
        with pytest.raises(errors.NotFound):
            call("doesnotexist")
    begin = time.monotonic()
    with pytest.raises(errors.NotFound):
        list(client.executions.follow("doesnotexist"))
    assert time.monotonic() - begin < 9  # the stream itself breaks after ten
    with pytest.raises(errors.NotFound):
        client.executions.create(FlowId(namespace, "absent"))


# Stores


def test_key_value(client: KestraClient, namespace: str) -> None:
    value = {
        "format": 1,
        "text": "grüße 😀\n\t\"'",
        "list": [1, None, 2.5, True],
        "in": {"type": "x"},
    }
    key = "kestra-sync-e2e"  # not the name of an inventory: tests of those may run at the same time
    with pytest.raises(errors.NotFound):
        client.kv.get(namespace, key)
    client.kv.put(namespace, key, value, description="written by a test")
    assert client.kv.get(namespace, key) == value
    client.kv.put(namespace, key, {"none": None, "some": 1})
    assert client.kv.get(namespace, key) == {"some": 1}
    assert namespace in {found.namespace for found in client.kv.search("kestra-sync")}
    assert client.kv.delete(namespace, key)
    assert not client.kv.delete(namespace, key)


def test_values_of_each_kind(client: KestraClient, namespace: str) -> None:
    """Large ones too."""
    large = {f"flow{number}": {"sha256": "0" * 64, "path": "x" * 40} for number in range(8000)}
    values: tuple[object, ...] = ("plain text", "true", 5, 1.5, False, [1, "a"], {}, large)
    for value in values:
        client.kv.put(namespace, "value", value)
        stored = client.kv.get(namespace, "value")
        assert (stored, type(stored)) == (value, type(value))


def test_files(client: KestraClient, namespace: str) -> None:
    client.files.put(namespace, "dir/a.bin", b"\0\xff")
    assert client.files.get(namespace, "/dir/a.bin") == b"\0\xff"
    assert client.files.list(namespace, "/dir") == ("a.bin",)
    client.files.delete(namespace, "/dir/a.bin")
    client.files.delete(namespace, "/dir/a.bin")
    with pytest.raises(errors.NotFound):
        client.files.get(namespace, "/dir/a.bin")


def test_executions_are_found_by_flow_label_and_kind(client: KestraClient, namespace: str) -> None:
    flow = client.flows.create(
        f"id: found\nnamespace: {namespace}\ntasks:\n"
        "  - id: log\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"
    ).flow_id
    first = client.executions.create(flow, wait=True, labels={"number": "one"})
    second = client.executions.create(flow, wait=True, labels={"number": "two"})
    test = client.executions.create(flow, wait=True, kind="TEST", labels={"number": "two"})
    scope = Scope((namespace,))
    deadline = time.monotonic() + 20
    while len(client.executions.search(scope)) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)  # the list is written behind the execution's back
    newest_first = [each.id for each in client.executions.search(scope, flow_id=flow.id)]
    assert newest_first == [second.id, first.id]
    labelled = client.executions.search(scope, labels={"number": "two"})
    assert [each.id for each in labelled] == [second.id]
    tests = client.executions.search(scope, kind="TEST", labels={"number": "two"})
    assert [each.id for each in tests] == [test.id]


# Who we are


def test_wrong_credentials(server: Server, namespace: str) -> None:
    with (
        KestraClient(server.url, username="unknown", password="wrong", env_file=None) as stranger,
        pytest.raises(errors.Unauthorized) as caught,
    ):
        stranger.flows.namespaces()
    assert "wrong" not in str(caught.value)


def test_kv__key_is_never_absent_while_it_is_written(client: KestraClient, namespace: str) -> None:
    """Kestra itself answers some of these reads with 404 or 500: a lock would look free."""
    client.kv.put(namespace, "lock", 0)

    done = threading.Event()
    found: list[int] = []

    def read() -> None:
        while not done.is_set():
            value = client.kv.get(namespace, "lock")
            assert isinstance(value, int)
            found.append(value)

    with threads(3) as pool:
        reads = [pool.submit(read) for _ in range(3)]
        written = 0
        try:
            # As many as it takes: a fast server is done with 150 before it is read 100 times.
            while (written < 150 or len(found) <= 100) and not any(each.done() for each in reads):
                written += 1
                client.kv.put(namespace, "lock", written)
        finally:
            done.set()
        for each in reads:
            each.result()
    assert written >= 150
    assert len(found) > 100
