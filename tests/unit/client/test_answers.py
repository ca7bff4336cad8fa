"""Messages about a server that cannot be reached or is not Kestra."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kestra_sync.client import errors
from kestra_sync.client.client import KestraClient
from kestra_sync.client.credentials import resolve
from kestra_sync.client.request import Request
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.model import FlowId
from tests.support.segments import CERTIFICATE, SegmentRecorder

from .conftest import ClientFactory
from .scripted import Reply, ScriptedServer, as_json

FLOW = FlowId("a.b", "c")
PATH = "/api/v1/main/flows/a.b/c"
PAGE = b"<html><head><title>Not here</title></head></html>"
GET = Request("GET", "/x")


def failure(client: KestraClient, call: Callable[[KestraClient], object]) -> KestraSyncError:
    with pytest.raises(KestraSyncError) as caught:
        call(client)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (404, PAGE, errors.NotKestra, 69),
        (404, b"404 page not found\n", errors.NotKestra, 69),
        (400, PAGE, errors.NotKestra, 69),
        (405, PAGE, errors.NotKestra, 69),
        (409, b"conflict", errors.NotKestra, 69),
        (422, PAGE, errors.NotKestra, 69),
        (200, PAGE, errors.UnexpectedAnswer, 69),
        (200, b"OK", errors.UnexpectedAnswer, 69),
        (206, b"{}", errors.UnexpectedAnswer, 69),
        (203, b"{}", errors.UnexpectedAnswer, 69),
        (200, b'{"namespace": "a.b", "id": "c", "id": "d"}', errors.UnexpectedAnswer, 69),
        (200, b'{"namespace": "a.b", "id": "c", "revision": NaN}', errors.UnexpectedAnswer, 69),
        (200, b'{"namespace": "a.b", "id": "c", "revision": 1e999}', errors.UnexpectedAnswer, 69),
        (200, b'{"namespace": "x.y", "id": "c", "source": ""}', errors.UnexpectedAnswer, 69),
        (404, b"", errors.NotFound, 1),
        (404, b'{"message": "Not Found"}', errors.NotFound, 1),
        (401, PAGE, errors.Unauthorized, 77),
        (403, PAGE, errors.Forbidden, 77),
        (407, PAGE, errors.ProxyLogin, 69),
        (503, PAGE, errors.Unavailable, 69),
    ],
)
def test_response__not_from_kestra_is_rejected(
    scripted: ScriptedServer,
    client: KestraClient,
    status: int,
    body: bytes,
    kind: type[errors.KestraError],
    code: int,
) -> None:
    """A page that says 404 does not say that a flow is gone."""
    content = "text/html" if body.startswith(b"<") else "application/json"
    scripted.on("GET", PATH, Reply(status, body, {"Content-Type": content}))
    error = failure(client, lambda it: it.flows.get(FLOW))
    assert type(error) is kind
    assert error.exit_code == code
    if code == 69 and status != 503:
        assert error.remedy


def test_response__status_204_with_a_body_is_rejected(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("DELETE", PATH, Reply(204, b"{}"))
    error = failure(client, lambda it: it.flows.delete(FLOW))
    assert isinstance(error, errors.UnexpectedAnswer)
    assert error.may_have_written


@pytest.mark.parametrize("body", [b'{"namespace": "a.b", "id"', b""])
def test_response__shorter_than_announced_is_rejected(
    scripted: ScriptedServer, client: KestraClient, body: bytes
) -> None:
    scripted.on("GET", PATH, Reply(200, body, {"Content-Type": "application/json"}, cut=True))
    error = failure(client, lambda it: it.flows.get(FLOW))
    assert error.exit_code == ExitCode.UNREACHABLE


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
def test_response__that_ends_within_its_head_is_not_an_empty_one(
    head: bytes, make_client: ClientFactory
) -> None:
    """A lock would count as free, and a write as done."""

    def answer() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(head)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        client = make_client(f"http://127.0.0.1:{listener.getsockname()[1]}", retries=1)
        with pytest.raises(errors.Unreachable, match="the connection was interrupted"):
            client.kv.get("acme", "key")
        with pytest.raises(errors.UnknownOutcome):
            client.kv.put("acme", "key", "value")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


class Dripper:
    """Sends ``head`` at once and then a byte every 50 ms."""

    def __init__(self, head: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._head = head
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        try:
            client.recv(65536)
            client.sendall(self._head)
            while not self._over.wait(0.05):
                client.sendall(b" ")
        except OSError:
            pass
        finally:
            client.close()

    def close(self) -> None:
        self._over.set()
        self._listener.close()


@pytest.fixture(
    params=[
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 500 no\r\nContent-Length: 9999\r\n\r\n",
    ],
    ids=["nothing", "head", "body", "endless", "error"],
)
def dripper(request: pytest.FixtureRequest) -> Iterator[Dripper]:
    server = Dripper(request.param)
    yield server
    server.close()


def test_response__slow_byte_by_byte_ends_at_the_timeout(
    dripper: Dripper, make_client: ClientFactory
) -> None:
    started = time.monotonic()
    error = failure(make_client(dripper.url, timeout=0.4, retries=0), lambda it: it.flows.get(FLOW))
    assert isinstance(error, (errors.Unreachable, errors.UnexpectedAnswer))
    assert time.monotonic() - started < 60  # else it never ends


def test_follow__pings_do_not_extend_the_timeout(
    scripted: ScriptedServer, make_client: ClientFactory
) -> None:
    running = {"id": "e", "namespace": "a", "flowId": "b", "state": {"current": "RUNNING"}}
    base = "/api/v1/main/executions/e"
    scripted.on("GET", base, as_json(running))

    def pings() -> Iterator[bytes]:
        while not scripted.over.wait(0.05):
            yield b": ping\n\n"

    scripted.on(
        "GET",
        f"{base}/follow",
        Reply(headers={"Content-Type": "text/event-stream"}, chunks=pings()),  # type: ignore[arg-type]
    )
    started = time.monotonic()
    client = make_client()
    with pytest.raises(KestraSyncError, match="still RUNNING"):
        list(client.executions.follow("e", timeout=0.5))
    assert time.monotonic() - started < 60  # else it never ends


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://user:proxy-secret@127.0.0.1:1", "the proxy http://127.0.0.1:1"),
        ("http://127.0.0.1:99999", "HTTP_PROXY"),
        ("socks9://127.0.0.1:1", "HTTP_PROXY"),
    ],
)
def test_proxy__broken_one_is_reported(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    error = failure(make_client("http://kestra.example", retries=0), lambda it: it.server_info())
    assert error.exit_code == ExitCode.UNREACHABLE
    assert words in f"{error} {error.remedy}"
    assert "NO_PROXY" in (error.remedy or "")
    assert "proxy-secret" not in f"{error} {error.remedy}"


def test_tls__private_ca_is_reported_with_the_variable(
    scripted: ScriptedServer, make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SegmentRecorder(scripted.url, tls=True) as server:
        client = make_client(server.url, retries=0)
        error = failure(client, lambda it: it.server_info())
        assert error.exit_code == ExitCode.UNREACHABLE
        assert "certificate is not trusted" in str(error)
        assert "REQUESTS_CA_BUNDLE" in (error.remedy or "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
        assert make_client(server.url).server_info().version == "1.3.25"


def test_ca_bundle__missing_file_is_reported(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    error = failure(make_client("https://127.0.0.1:1"), lambda it: it.server_info())
    assert isinstance(error, UsageError)
    assert "/nowhere/ca.pem" in str(error)
    assert "REQUESTS_CA_BUNDLE" in (error.remedy or "")


def test_plain_and_tls_mixed_up_is_reported(
    scripted: ScriptedServer, make_client: ClientFactory
) -> None:
    wrong = scripted.url.replace("http:", "https:")
    error = failure(make_client(wrong, retries=0), lambda it: it.server_info())
    assert "http://" in (error.remedy or "")


@pytest.mark.parametrize("value", ["secret-pw\n", "secret-pw\r\n", "secret\npw"])
@pytest.mark.parametrize("name", ["KESTRA_PASSWORD", "KESTRA_USERNAME"])
def test_a_line_break_in_a_password_is_named(name: str, value: str) -> None:
    environ = {
        "KESTRA_API_URL": "http://x",
        "KESTRA_USERNAME": "me",
        "KESTRA_PASSWORD": "secret-pw",
    }
    if name == "KESTRA_USERNAME" and not value.strip().count("\n"):
        value = "se\ncret-pw"  # blanks around a user name are not part of it
    with pytest.raises(UsageError, match=f"{name} (ends with|has) a line break") as caught:
        resolve(environ={**environ, name: value}, env_file=None)
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match="KESTRA_TOKEN has a line break"):
        resolve(url="http://x", environ={"KESTRA_TOKEN": "to\nken"}, env_file=None)


def test_too_large__is_reported_with_its_size(
    scripted: ScriptedServer, client: KestraClient
) -> None:
    scripted.on("GET", PATH, as_json({"namespace": "a.b", "id": "c"}))
    scripted.on("PUT", PATH, Reply(413, PAGE, {"Content-Type": "text/html"}))
    error = failure(client, lambda it: it.flows.update(FLOW, b"x" * 2_500_000))
    assert isinstance(error, errors.RequestTooLarge)
    assert "a.b/c" in str(error)
    assert "2.5 MB are too large" in str(error)
    assert "client_max_body_size" in (error.remedy or "")


HEADERS = "CF-Access-Client-Id: some-id-1234\n\n  CF-Access-Client-Secret:very-secret-5678 \n"


def test_headers__are_sent_with_every_request(
    scripted: ScriptedServer, make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_HEADERS", HEADERS)
    scripted.on("GET", PATH, Reply(307, headers={"Location": f"{PATH}/"}))
    scripted.on("GET", f"{PATH}/", as_json({"namespace": "a.b", "id": "c", "source": ""}))
    scripted.on("POST", "/api/v1/main/flows", Reply(422, b'{"message": "no very-secret-5678"}'))
    client = make_client()
    client.server_info()
    client.flows.get(FLOW)
    error = failure(client, lambda it: it.flows.create(b"x"))
    assert "very-secret" not in str(error)
    assert len(scripted.seen) == 4
    for seen in scripted.seen:
        assert seen.headers["CF-Access-Client-Id"] == "some-id-1234"
        assert seen.headers["CF-Access-Client-Secret"] == "very-secret-5678"
        assert seen.headers["Authorization"].startswith("Bearer ")
    assert "very-secret" not in repr(client._transport._auth._credentials)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("very-secret", "line 1: not a valid header"),
        ("A: b\nvery secret: x", "line 2: not a valid header"),
        ("A:", "line 1: the value of A is empty"),
        ("A: very-secret\x07", "line 1: the value of A is empty or not printable"),
        ("A: sécret", "not printable ASCII"),
        ("Content-Length: 5", "line 1: Content-Length is set by kestra-sync itself"),
        ("A: b\na: c", "line 2: a is set more than once"),
        ("Authorization: Bearer very-secret", "line 1: Authorization is set from KESTRA_TOKEN"),
    ],
)
def test_headers__invalid_one_is_reported_by_its_line(lines: str, words: str) -> None:
    environ = {"KESTRA_API_URL": "http://x", "KESTRA_TOKEN": "t", "KESTRA_HEADERS": lines}
    with pytest.raises(UsageError) as caught:
        resolve(environ=environ, env_file=None)
    assert words in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_headers__own_authorization_replaces_the_credentials(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KESTRA_HEADERS", "Authorization: Negotiate abc")
    with KestraClient(scripted.url, env_file=None) as client:
        client.server_info()
    assert scripted.seen[0].headers["Authorization"] == "Negotiate abc"


def test_parallelism_holds_for_everything(
    scripted: ScriptedServer, make_client: ClientFactory
) -> None:
    """Reads too; but not for the lock of an apply."""
    in_progress = most = 0
    lock = threading.Lock()

    def answer(_seen: object) -> Reply:
        nonlocal in_progress, most
        with lock:
            in_progress += 1
            most = max(most, in_progress)
        time.sleep(0.02)
        with lock:
            in_progress -= 1
        return as_json([])

    scripted.on("POST", "/api/v1/main/flows/validate", answer)
    client = make_client(parallelism=1)
    threads = [
        threading.Thread(
            target=lambda: client._transport.send(
                Request("POST", "/api/v1/main/flows/validate", body=b"x", safe=True)
            )
        )
        for _ in range(5)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 1
