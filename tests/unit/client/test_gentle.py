"""Writes that cannot hang a Kestra server: in one piece, compressed, and only after a read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from kestra_sync.client import errors
from kestra_sync.client.client import KestraClient
from kestra_sync.client.flows import RecentRead
from kestra_sync.errors import ExitCode
from kestra_sync.model import FlowId, Live
from kestra_sync.resources import in_memory
from tests.support.segments import CERTIFICATE, Segment, SegmentRecorder
from tests.support.waiting import wait_for

from .conftest import ClientFactory
from .scripted import Reply, ScriptedServer, Seen, as_json

FLOW = FlowId("a.b", "c")
PATH = "/api/v1/main/flows/a.b/c"
KEY = "/api/v1/main/namespaces/a.b/kv/k"
SOURCE = b"id: c\nnamespace: a.b\ntasks:\n" + b"".join(
    b"  - id: t%d\n    type: io.kestra.plugin.core.log.Log\n    message: hello\n" % number
    for number in range(100)
)
THERE = as_json({"namespace": "a.b", "id": "c", "revision": 1})


@pytest.fixture
def server(scripted: ScriptedServer) -> ScriptedServer:
    """It has the flow, and takes everything."""
    scripted.on("GET", PATH, THERE)
    scripted.on("PUT", PATH, THERE)
    scripted.on("POST", "/api/v1/main/flows", THERE)
    scripted.on("PUT", KEY, Reply(200))
    scripted.on(
        "POST",
        "/api/v1/main/executions/a.b/c",
        as_json({"id": "e", "namespace": "a.b", "flowId": "c", "state": {"current": "CREATED"}}),
    )
    scripted.on("POST", "/api/v1/main/namespaces/a.b/files", Reply(200))
    return scripted


def write(client: KestraClient) -> None:
    """One of each."""
    client.flows.create(SOURCE)
    client.flows.update(FLOW, SOURCE)
    client.flows.update(FLOW, b"id: c\nnamespace: a.b\n")
    client.kv.put("a.b", "k", {"value": ["long"] * 500})
    client.executions.create(FLOW, inputs={"x": b"y" * 500, "é": "ü"})
    client.files.put("a.b", "/x.py", b"print()\n" * 100)


def writes(recorder: SegmentRecorder) -> list[Segment]:
    return [each for each in recorder.segments if each.method != "GET"]


@pytest.fixture(params=["plain", "tls", "http-proxy", "connect", "connect-and-tls"])
def way(
    request: pytest.FixtureRequest, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, SegmentRecorder]]:
    """A way to the server: the URL to use, and what records on the way."""
    kind = request.param
    monkeypatch.setenv("NO_PROXY", "")
    with SegmentRecorder(server.url, tls=kind.endswith("tls")) as recorder:
        if kind in {"plain", "tls"}:
            yield recorder.url, recorder
        elif kind == "http-proxy":
            with SegmentRecorder(server.url, proxy=True) as proxy:
                monkeypatch.setenv("HTTP_PROXY", proxy.url)
                yield server.url, proxy
        else:
            tls = recorder if kind.endswith("tls") else SegmentRecorder(server.url, tls=True)
            with tls, SegmentRecorder(tls.url, proxy=True) as proxy:
                monkeypatch.setenv("HTTPS_PROXY", proxy.url)
                yield tls.url, tls
                assert set(proxy.connects) == {tls.url.removeprefix("https://")}


def test_write__leaves_in_one_send(
    way: tuple[str, SegmentRecorder], make_client: ClientFactory
) -> None:
    url, recorder = way
    write(make_client(url, verify=str(CERTIFICATE)))
    segments = recorder.segments
    assert all(each.whole for each in segments), segments
    assert [each.method for each in segments] == [
        *("POST", "GET", "PUT", "GET", "PUT"),
        *("PUT", "POST", "POST"),
    ]
    # The server's first read is of 2,048 bytes.
    assert all(len(each.data) < 2048 for each in segments)
    assert [each.header("Content-Encoding") for each in writes(recorder)] == [
        *("gzip", "gzip", "", "gzip"),
        *("", ""),
    ]
    # After small requests it is of less: updates of flows come first on their connections.
    assert [each.first for each in segments] == [
        *(True, False, True, False, True),
        *(False, False, False),
    ]


def test_a_large_body_leaves_in_one_send_too(
    server: ScriptedServer, make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    plain = __import__("http.client").client.HTTPConnection.send

    def send(self: object, data: bytes) -> None:
        sent.append(len(data))
        plain(self, data)

    monkeypatch.setattr("http.client.HTTPConnection.send", send)
    client = make_client()
    client.files.put("a.b", "/x.bin", bytes(1_000_000))
    assert len(sent) == 1
    assert sent[0] > 1_000_000


def test_compression__server_gets_the_source_byte_for_byte(
    server: ScriptedServer, client: KestraClient
) -> None:
    client.flows.update(FLOW, SOURCE)
    assert server.asked("PUT", PATH)[0].body == SOURCE


@pytest.mark.parametrize("status", [400, 415, 422])
def test_compression__rejected_body_is_sent_uncompressed(
    server: ScriptedServer, client: KestraClient, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    def picky(seen: Seen) -> Reply:
        return Reply(status) if "Content-Encoding" in seen.headers else THERE

    server.on("PUT", PATH, picky)
    server.on("PUT", KEY, picky)
    with caplog.at_level(logging.INFO, "kestra_sync"):
        client.flows.update(FLOW, SOURCE)
        client.flows.update(FLOW, SOURCE)
        client.kv.put("a.b", "k", ["long"] * 500)
    encodings = [each.headers.get("Content-Encoding") for each in server.seen if each.body]
    assert encodings == ["gzip", None, None, None]
    assert [each.method for each in server.seen] == [
        "GET",
        "PUT",
        "GET",
        "PUT",
        "GET",
        "PUT",
        "PUT",
    ]
    said = [each for each in caplog.messages if "rejects compressed bodies" in each]
    assert said == [
        f"the server rejects compressed bodies ({status}): sending them uncompressed from now on"
    ]


def test_compression__body_rejected_uncompressed_as_well_keeps_it_on(
    server: ScriptedServer, client: KestraClient
) -> None:
    server.on("PUT", PATH, Reply(400))
    with pytest.raises(errors.ApiError):
        client.flows.update(FLOW, SOURCE)
    server.on("PUT", PATH, THERE)
    client.flows.update(FLOW, SOURCE)
    assert server.seen[-1].headers["Content-Encoding"] == "gzip"


def test_compression__later_rejection_is_about_the_content(
    server: ScriptedServer, client: KestraClient
) -> None:
    server.on("PUT", PATH, THERE, Reply(422))
    client.flows.update(FLOW, SOURCE)
    with pytest.raises(errors.InvalidContent):
        client.flows.update(FLOW, SOURCE)
    assert len(server.asked("PUT", PATH)) == 2


@pytest.mark.parametrize(
    "answer",
    [Reply(404), Reply(500), Reply(200, b"<html>"), Reply(401)],
    ids=["gone", "failing", "page", "not allowed"],
)
def test_update__is_only_sent_after_a_successful_read(
    server: ScriptedServer, client: KestraClient, answer: Reply
) -> None:
    server.on("GET", PATH, answer)
    with pytest.raises(errors.KestraError) as caught:
        client.flows.update(FLOW, SOURCE)
    assert not caught.value.may_have_written
    assert server.asked("PUT", PATH) == []


def test_update__reads_again_after_a_429(server: ScriptedServer, client: KestraClient) -> None:
    """In the time that the server wants us to wait, the flow may go."""
    server.on("GET", PATH, THERE, Reply(404))
    server.on("PUT", PATH, Reply(429, headers={"Retry-After": "5"}))
    with pytest.raises(errors.NotFound):
        client.flows.update(FLOW, SOURCE)
    assert [each.method for each in server.seen] == ["GET", "PUT", "GET"]


def test_update__flow_that_the_caller_has_just_read_is_not_read_first(
    server: ScriptedServer, client: KestraClient
) -> None:
    """But before any further attempt."""
    server.on("GET", PATH, Reply(404))
    server.on("PUT", PATH, Reply(429, headers={"Retry-After": "5"}))
    with pytest.raises(errors.NotFound):
        client.flows.update(FLOW, SOURCE, check=lambda _live: None, recent=just_read(60.0))
    assert [each.method for each in server.seen] == ["PUT", "GET"]


def test_update__flow_that_was_read_before_a_long_wait_for_its_turn_is_read_again(
    server: ScriptedServer, make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All requests that may be sent at once are taken when the update is begun."""
    begun, over = threading.Event(), threading.Event()

    def slow(_seen: Seen) -> Reply:
        begun.set()
        assert over.wait(10)
        return as_json([])

    server.on("GET", "/api/v1/main/flows/distinct-namespaces", slow)
    edited = {"namespace": "a.b", "id": "c", "revision": 2, "source": "theirs"}
    server.on("GET", PATH, as_json(edited))
    client = make_client(parallelism=1)
    now = time.monotonic()
    monkeypatch.setattr("kestra_sync.client.request.time", SimpleNamespace(monotonic=lambda: now))
    checked: list[bytes] = []
    recent = just_read(60.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.flows.namespaces)
        assert begun.wait(10)
        update = pool.submit(
            client.flows.update,
            FLOW,
            SOURCE,
            check=lambda live: checked.append(in_memory(live.content)),
            recent=recent,
        )
        assert wait_for(lambda: bool(checked))
        now = recent.until + 1
        over.set()
        first.result()
        update.result()
    assert checked == [SOURCE, b"theirs"]
    assert [each.method for each in server.seen] == ["GET", "GET", "PUT"]


def just_read(seconds: float) -> RecentRead:
    return RecentRead(Live(FLOW, SOURCE, revision=1), time.monotonic() + seconds)


@pytest.mark.parametrize(
    ("look", "error"),
    [
        (Reply(404), errors.NotFound),
        (Reply(200, b" "), errors.UnexpectedAnswer),
        (as_json([]), errors.UnexpectedAnswer),
    ],
    ids=["gone", "empty", "no flow"],
)
def test_compression__rejected_update_reads_again(
    server: ScriptedServer, client: KestraClient, look: Reply, error: type[errors.KestraError]
) -> None:
    """Without proof that the flow is there, the update is not sent again."""
    server.on("GET", PATH, THERE, look)
    server.on("PUT", PATH, Reply(415))
    with pytest.raises(error):
        client.flows.update(FLOW, SOURCE)
    assert [each.method for each in server.seen] == ["GET", "PUT", "GET"]


@pytest.mark.parametrize(
    "answer", [Reply(stall=True), Reply(504)], ids=["silence", "a gateway's time limit"]
)
def test_update__without_a_response_is_not_repeated_and_explained(
    server: ScriptedServer, make_client: ClientFactory, answer: Reply
) -> None:
    server.on("PUT", PATH, answer)
    with pytest.raises(errors.UnknownOutcome) as caught:
        make_client(timeout=0.3).flows.update(FLOW, SOURCE)
    assert "the server may be hanging (kestra-io/kestra issue 12984)" in str(caught.value)
    assert "restart" in (caught.value.remedy or "")
    assert caught.value.hanging
    assert caught.value.may_have_written
    assert len(server.asked("PUT", PATH)) == 1


def test_update__broken_connection_is_not_a_hanging_server(
    server: ScriptedServer, client: KestraClient
) -> None:
    server.on("PUT", PATH, Reply(hang_up=True))
    with pytest.raises(errors.UnknownOutcome) as caught:
        client.flows.update(FLOW, SOURCE)
    assert not caught.value.hanging


def test_key__read_timeout_is_an_error(server: ScriptedServer, make_client: ClientFactory) -> None:
    server.on("PUT", KEY, Reply(stall=True))
    with pytest.raises(errors.UnknownOutcome) as caught:
        make_client(timeout=0.3).kv.put("a.b", "k", 1)
    assert not caught.value.hanging
    assert caught.value.exit_code == ExitCode.FAILURE
