"""The faults of the proxy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.support import proxy as faults
from tests.support.proxy import FaultProxy, Rule


@dataclass
class Backend:
    """A server that remembers what it was asked."""

    url: str
    asked: list[str] = field(default_factory=list)
    rest: threading.Event = field(default_factory=threading.Event)
    """Set when the events after the first one may be sent."""


@pytest.fixture
def backend() -> Iterator[Backend]:
    state = Backend("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append(f"{self.command} {self.path}")
            if "events" in self.path:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for number in range(3):
                    self.wfile.write(f"id: e{number}\ndata: {number}\n\n".encode())
                    self.wfile.flush()
                    state.rest.wait(5)
                self.close_connection = True
                return
            if "cut" in self.path:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nServer: cut")
                self.close_connection = True
                return
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length) or self.path.encode()
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Backend", "yes")
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    state.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def proxy(backend: Backend) -> Iterator[FaultProxy]:
    with FaultProxy(backend.url) as started:
        yield started


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def test_without_rules_it_only_relays(
    proxy: FaultProxy, backend: Backend, session: requests.Session
) -> None:
    answer = session.post(f"{proxy.url}/a?b=c", data=b"body")
    assert (answer.status_code, answer.content) == (201, b"body")
    assert answer.headers["X-Backend"] == "yes"
    assert backend.asked == ["POST /a?b=c"]
    (seen,) = proxy.requests
    assert (seen.method, seen.path, seen.query, seen.status) == ("POST", "/a", "b=c", 201)
    assert seen.body == b"body"


def test_a_chunked_request_is_relayed(proxy: FaultProxy, session: requests.Session) -> None:
    assert session.post(f"{proxy.url}/a", data=iter([b"one", b"two"])).content == b"onetwo"


def test_proxy__reset_request_never_reaches_the_server(
    proxy: FaultProxy, backend: Backend, session: requests.Session
) -> None:
    proxy.add(Rule(faults.reset_request))
    with pytest.raises(requests.ConnectionError):
        session.put(f"{proxy.url}/a")
    assert backend.asked == []
    assert proxy.requests[0].status is None
    assert session.put(f"{proxy.url}/a").status_code == 201


def test_proxy__lost_answer_of_an_executed_write(
    proxy: FaultProxy, backend: Backend, session: requests.Session
) -> None:
    proxy.add(Rule(faults.drop_answer, method="PUT"))
    with pytest.raises(requests.ConnectionError):
        session.put(f"{proxy.url}/a")
    assert backend.asked == ["PUT /a"]


def test_a_cut_body_is_shorter_than_announced(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.add(Rule(faults.cut_body))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        session.post(f"{proxy.url}/a", data=b"0123456789")


def test_proxy__rule_applies_to_the_nth_match_only(
    proxy: FaultProxy, backend: Backend, session: requests.Session
) -> None:
    proxy.add(Rule(faults.bad_gateway, method="GET", path=r"^/flows/", nth=2))
    statuses = [
        session.request(method, proxy.url + path).status_code
        for method, path in [
            ("GET", "/other"),
            ("GET", "/flows/a"),
            ("PUT", "/flows/a"),
            ("GET", "/flows/b"),
            ("GET", "/flows/c"),
        ]
    ]
    assert statuses == [201, 201, 201, 502, 201]
    assert proxy.count("GET", "/flows/") == 3
    assert len(backend.asked) == 4


def test_a_rule_may_apply_without_limit(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.add(Rule(faults.reply(403), times=None))
    assert [session.get(proxy.url).status_code for _ in range(3)] == [403] * 3
    proxy.clear()
    assert session.get(proxy.url).status_code == 201


def test_canned_answers(proxy: FaultProxy, backend: Backend, session: requests.Session) -> None:
    proxy.add(Rule(faults.too_many_requests(7)))
    limited = session.get(proxy.url)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    proxy.add(Rule(faults.bad_gateway))
    gateway = session.get(proxy.url)
    assert gateway.headers["Content-Type"] == "text/html"
    assert "502" in gateway.text
    assert backend.asked == []
    proxy.add(Rule(faults.replace_answer(504, body="too late")))
    assert session.get(proxy.url).status_code == 504
    assert len(backend.asked) == 1


def test_a_lost_query(proxy: FaultProxy, backend: Backend, session: requests.Session) -> None:
    proxy.add(Rule(faults.strip_query))
    session.get(f"{proxy.url}/a?filters=b")
    assert backend.asked == ["GET /a"]


def test_a_delay(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.add(Rule(faults.delay(0.2)))
    start = time.monotonic()
    session.get(proxy.url)
    assert time.monotonic() - start >= 0.2


def test_events__are_relayed_as_they_come(
    proxy: FaultProxy, backend: Backend, session: requests.Session
) -> None:
    with session.get(f"{proxy.url}/events", stream=True) as answer:
        lines = answer.iter_lines(chunk_size=1)
        assert next(lines) == b"id: e0"
        assert not backend.rest.is_set()
        backend.rest.set()
        assert b"id: e2" in list(lines)


def test_buffered_events_come_all_at_once(
    proxy: FaultProxy, backend: Backend, session: requests.Session
) -> None:
    proxy.add(Rule(faults.buffer_events))
    threading.Timer(0.2, backend.rest.set).start()
    with session.get(f"{proxy.url}/events", stream=True) as answer:
        assert next(answer.iter_lines(chunk_size=1)) == b"id: e0"
        assert backend.rest.is_set()


def test_cut_events(proxy: FaultProxy, backend: Backend, session: requests.Session) -> None:
    backend.rest.set()
    proxy.add(Rule(faults.cut_events(2)))
    lines: list[bytes] = []
    with (
        session.get(f"{proxy.url}/events", stream=True) as answer,
        pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)),
    ):
        lines.extend(answer.iter_lines(chunk_size=1))
    assert [line for line in lines if line.startswith(b"id")] == [b"id: e0", b"id: e1"]


def test_callbacks(proxy: FaultProxy, backend: Backend, session: requests.Session) -> None:
    proxy.add(Rule(faults.call_first(lambda: backend.asked.append("before")), path="/a"))
    proxy.add(Rule(faults.call_after(lambda: backend.asked.append("after")), path="/b"))
    assert session.get(f"{proxy.url}/a").status_code == 201
    assert session.get(f"{proxy.url}/b").status_code == 201
    assert backend.asked == ["before", "GET /a", "GET /b", "after"]


def test_a_server_that_is_gone_is_a_bad_gateway(session: requests.Session) -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy:
        assert session.get(proxy.url).status_code == 502


def test_the_log_can_be_emptied(proxy: FaultProxy, session: requests.Session) -> None:
    session.get(proxy.url)
    proxy.forget()
    assert proxy.count() == 0


def test_many_clients_at_once(proxy: FaultProxy, session: requests.Session) -> None:
    threads = [threading.Thread(target=session.get, args=(proxy.url,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert proxy.count(path="/") == 16


def test_relay__headers_that_the_server_cut_off_break_the_connection(proxy: FaultProxy) -> None:
    """A response with status 200 and without a body would hide the fault."""
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{proxy.url}/cut", timeout=5)
