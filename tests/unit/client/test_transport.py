from __future__ import annotations

import gzip
import logging
import socket
import ssl
import traceback
from pathlib import Path

import pytest
import requests

from kestra_sync.client import errors
from kestra_sync.client.breakage import describe, never_sent, worth_a_retry
from kestra_sync.client.client import KestraClient
from kestra_sync.client.credentials import Credentials
from kestra_sync.client.request import Request
from kestra_sync.client.response import BodyTooLargeError
from kestra_sync.client.transport import Transport
from kestra_sync.errors import ExitCode
from tests.support.waiting import wait_for

from .conftest import TOKEN, ClientFactory
from .scripted import Reply, ScriptedServer, as_json

GET, PUT = Request("GET", "/x"), Request("PUT", "/x", body=b"y", content_type="text/plain")
HTML = Reply(200, b"<html><title>Log in</title>", {"Content-Type": "text/html"})


def transport_of(client: KestraClient) -> Transport:
    return client._transport


@pytest.fixture
def transport(client: KestraClient) -> Transport:
    return transport_of(client)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, errors.ApiError, ExitCode.FAILURE),
        (401, errors.Unauthorized, ExitCode.NOT_ALLOWED),
        (403, errors.Forbidden, ExitCode.NOT_ALLOWED),
        (404, errors.NotFound, ExitCode.FAILURE),
        (409, errors.ConflictingState, ExitCode.FAILURE),
        (410, errors.Gone, ExitCode.FAILURE),
        (413, errors.RequestTooLarge, ExitCode.FAILURE),
        (422, errors.InvalidContent, ExitCode.FAILURE),
        (429, errors.TooManyRequests, ExitCode.FAILURE),
        (500, errors.ServerFailure, ExitCode.FAILURE),
        (502, errors.Unavailable, ExitCode.UNREACHABLE),
        (503, errors.Unavailable, ExitCode.UNREACHABLE),
        (504, errors.Unavailable, ExitCode.UNREACHABLE),
    ],
)
def test_error_of_each_status(
    scripted: ScriptedServer,
    transport: Transport,
    status: int,
    kind: type[errors.ApiError],
    code: ExitCode,
) -> None:
    scripted.on("GET", "/x", as_json({"message": "so it is"}, status))
    with pytest.raises(errors.ApiError, match="so it is") as caught:
        transport.send(GET)
    assert type(caught.value) is kind
    assert caught.value.exit_code is code
    assert (caught.value.status, caught.value.method, caught.value.path) == (status, "GET", "/x")
    assert not caught.value.may_have_written


def test_message__masks_the_secret(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("GET", "/x", as_json({"message": f"bad \x1b[31m header Bearer {TOKEN}"}, 400))
    with pytest.raises(errors.ApiError) as caught:
        transport.send(GET)
    assert TOKEN not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_reads_are_repeated(
    scripted: ScriptedServer, transport: Transport, naps: list[float], status: int
) -> None:
    scripted.on("GET", "/x", Reply(status), Reply(status), as_json({"a": 1}))
    assert transport.send(GET).object() == {"a": 1}
    assert naps == [0.5, 1.0]


def test_safe_posts_are_repeated(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("POST", "/x", Reply(503), Reply(hang_up=True), as_json([1]))
    assert transport.send(Request("POST", "/x", safe=True, body=b"q")).list() == [1]
    assert [seen.body for seen in scripted.seen] == [b"q"] * 3


def test_retries_end(scripted: ScriptedServer, transport: Transport, naps: list[float]) -> None:
    scripted.on("GET", "/x", Reply(503))
    with pytest.raises(errors.Unavailable):
        transport.send(GET)
    assert len(scripted.seen) == 4
    assert len(naps) == 3


@pytest.mark.parametrize(
    ("header", "nap"),
    [
        ("7", 7.0),
        ("100000", 60.0),
        ("Mon, 12 Jan 1970 13:46:45 GMT", 5.0),
        ("Mon, 12 Jan 1970 13:46:45 -0000", 5.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("soon", 0.5),
    ],
)
def test_retry_after(
    scripted: ScriptedServer,
    transport: Transport,
    naps: list[float],
    header: str,
    nap: float | None,
) -> None:
    scripted.on("GET", "/x", Reply(429, headers={"Retry-After": header}), as_json({}))
    assert transport.send(GET).json() == {}
    assert naps == ([] if nap is None else [nap])


def test_write__with_retry_after_is_retried(
    scripted: ScriptedServer, transport: Transport, naps: list[float]
) -> None:
    scripted.on("PUT", "/x", Reply(429, headers={"Retry-After": "2"}), Reply(200))
    transport.send(PUT)
    assert naps == [2.0]


def test_write__rejected_without_retry_after_is_not_retried(
    scripted: ScriptedServer, transport: Transport
) -> None:
    scripted.on("PUT", "/x", Reply(429))
    with pytest.raises(errors.TooManyRequests) as caught:
        transport.send(PUT)
    assert not caught.value.may_have_written
    assert len(scripted.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(502),
        Reply(503, headers={"Retry-After": "1"}),
        Reply(504, b"<title>Gateway</title>"),
        Reply(hang_up=True),
        Reply(200, b"{", cut=True),
    ],
)
def test_the_lost_answer_of_a_write(
    scripted: ScriptedServer, transport: Transport, reply: Reply
) -> None:
    scripted.on("PUT", "/x", reply)
    with pytest.raises(errors.UnknownOutcome) as caught:
        transport.send(PUT)
    assert (caught.value.method, caught.value.path) == ("PUT", "/x")
    assert caught.value.may_have_written
    assert len(scripted.seen) == 1


def test_write__failed_one_may_have_been_executed(
    scripted: ScriptedServer, transport: Transport
) -> None:
    scripted.on("PUT", "/x", Reply(500))
    with pytest.raises(errors.ServerFailure) as caught:
        transport.send(PUT)
    assert caught.value.may_have_written


def test_time_limit(scripted: ScriptedServer, make_client: ClientFactory) -> None:
    scripted.on("GET", "/x", Reply(stall=True), as_json({}))
    scripted.on("PUT", "/x", Reply(stall=True))
    transport = transport_of(make_client(timeout=0.5))
    transport.send(GET)
    with pytest.raises(errors.UnknownOutcome, match="within the time limit"):
        transport.send(PUT)
    scripted.over.set()


def test_a_body_that_stalls(scripted: ScriptedServer, make_client: ClientFactory) -> None:
    scripted.on("GET", "/x", Reply(200, b"{", cut=True, stall=True))
    transport = transport_of(make_client(timeout=(10, 0.2)))
    with pytest.raises(errors.Unreachable, match="within the time limit"):
        transport.send(GET)
    assert wait_for(lambda: len(scripted.seen) >= 4)  # the server may see the last one late
    assert len(scripted.seen) == 4
    scripted.over.set()


def test_refused(make_client: ClientFactory, naps: list[float], closed_port: int) -> None:
    transport = transport_of(make_client(f"http://127.0.0.1:{closed_port}"))
    for request in (GET, PUT):
        naps.clear()
        with pytest.raises(errors.Unreachable, match="refused") as caught:
            transport.send(request)
        assert len(naps) == 3  # a write that was never sent may be repeated
        assert caught.value.exit_code is ExitCode.UNREACHABLE
        assert not caught.value.may_have_written


def test_write__earlier_handled_exception_does_not_make_it_retryable(
    scripted: ScriptedServer, transport: Transport, make_client: ClientFactory, closed_port: int
) -> None:
    scripted.on("PUT", "/x", Reply(hang_up=True))
    try:
        transport_of(make_client(f"http://127.0.0.1:{closed_port}")).send(GET)
    except errors.Unreachable:
        with pytest.raises(errors.UnknownOutcome):
            transport.send(PUT)
    assert len(scripted.seen) == 1


def test_unknown_host(make_client: ClientFactory) -> None:
    with pytest.raises(errors.Unreachable, match="host name cannot be resolved"):
        transport_of(make_client("http://kestra.invalid")).send(PUT)
    with pytest.raises(errors.Unreachable, match="not a valid server URL"):
        transport_of(make_client(f"http://{'a' * 70}.invalid")).send(GET)


def test_tls__server_without_tls(scripted: ScriptedServer, make_client: ClientFactory) -> None:
    url = scripted.url.replace("http:", "https:")
    with pytest.raises(errors.Unreachable, match="TLS failed"):
        transport_of(make_client(url)).send(GET)


def test_failures_in_words() -> None:
    expired = ssl.SSLCertVerificationError(1, "x")
    expired.verify_message = "certificate has expired"
    untrusted = requests.exceptions.SSLError(expired)
    assert describe(untrusted) == "the certificate is not trusted (certificate has expired)"
    assert never_sent(untrusted)
    assert not worth_a_retry(untrusted)
    assert describe(requests.exceptions.ProxyError()) == "the proxy denied the request"
    assert describe(requests.ConnectTimeout()) == "connection timeout"
    assert never_sent(requests.ConnectTimeout())
    assert describe(requests.ConnectionError("?")) == "the connection was interrupted"
    same = OSError(1, "Broken")
    assert (
        describe(requests.ConnectionError(same, same)) == "the connection was interrupted (Broken)"
    )


def test_redirects_of_reads(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("GET", "/x", Reply(302, headers={"Location": "/y?a=1"}))
    scripted.on("GET", "/y", as_json([]))
    assert transport.send(GET).list() == []
    assert scripted.seen[-1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_redirect__to_another_server_is_not_followed(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """It would be believed, as if Kestra had said it."""
    other = ScriptedServer()
    try:
        scripted.on("GET", "/x", Reply(307, headers={"Location": f"{other.url}/y"}))
        other.on("GET", "/y", as_json([]))
        with pytest.raises(errors.UnexpectedAnswer, match=f"redirects to {other.url}/y") as caught:
            transport.send(GET)
        assert caught.value.exit_code == ExitCode.UNREACHABLE
        assert "use the URL that it redirects to" in (caught.value.remedy or "")
        assert other.seen == []
    finally:
        other.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect__of_a_write_is_not_followed(
    scripted: ScriptedServer, transport: Transport, status: int
) -> None:
    location = "http://me:pw@new.example/kestra/x?q=1"
    scripted.on("PUT", "/x", Reply(status, headers={"Location": location}))
    with pytest.raises(errors.UnexpectedAnswer, match=r"http://new\.example/kestra$") as caught:
        transport.send(PUT)
    assert "pw" not in str(caught.value)
    assert not caught.value.may_have_written
    assert len(scripted.seen) == 1


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/x", "too many redirects"),
        (None, "redirect without Location"),
        ("file:///etc/passwd", "redirects to file:///etc/passwd"),
        ("javascript:alert(1)", "redirects to"),
        ("http://[::1/x", "redirects to"),
        ("http://127.0.0.1:99999/x", "redirects to"),
        ("http://me:secret-pw@127.0.0.1:1/x", "redirects to http://127"),
        ("//elsewhere.example/x", "redirects to http://elsewhere.example"),
        ("https://127.0.0.1/x", "redirects to https://127.0.0.1"),
        ("http://\x1b]0;x\x07/", "redirects to"),
    ],
)
def test_redirects_that_lead_nowhere(
    scripted: ScriptedServer, transport: Transport, location: str | None, words: str
) -> None:
    headers = {} if location is None else {"Location": location}
    scripted.on("GET", "/x", Reply(302, headers=headers))
    with pytest.raises(errors.UnexpectedAnswer, match=words) as caught:
        transport.send(GET)
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert "secret-pw" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("login", [{"token": TOKEN}, {"username": "me", "password": "pw-secret"}])
def test_netrc__does_not_replace_the_header(
    scripted: ScriptedServer,
    make_client: ClientFactory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    login: dict[str, str],
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login intruder password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    scripted.on("GET", "/x", Reply(302, headers={"Location": "/y"}))
    scripted.on("GET", "/y", as_json({}))
    transport_of(make_client(**login)).send(GET)
    kind = "Bearer" if "token" in login else "Basic"
    for seen in scripted.seen:
        assert seen.headers["Authorization"].startswith(kind)
        assert "aW50cnVkZXI" not in seen.headers["Authorization"]


def test_without_credentials_there_is_no_header(scripted: ScriptedServer, tmp_path: Path) -> None:
    scripted.on("GET", "/x", as_json({}))
    with KestraClient(scripted.url) as client:
        transport_of(client).send(GET)
    assert "Authorization" not in scripted.seen[0].headers


def test_html_for_json(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("GET", "/x", HTML)
    with pytest.raises(errors.UnexpectedAnswer, match=r'200 with an HTML page \("Log in"\)'):
        transport.send(GET).json()


def test_html_for_a_write(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("PUT", "/x", HTML)
    with pytest.raises(errors.UnexpectedAnswer, match="Log in") as caught:
        transport.send(PUT)
    assert caught.value.may_have_written


@pytest.mark.parametrize("body", [b"nonsense", b"[" * 100_000, b'"\xff"'])
def test_what_is_not_json(scripted: ScriptedServer, transport: Transport, body: bytes) -> None:
    scripted.on("GET", "/x", Reply(200, body))
    with pytest.raises(errors.UnexpectedAnswer, match="not JSON"):
        transport.send(GET).json()


def test_empty_json(scripted: ScriptedServer, transport: Transport) -> None:
    """A lock would count as free."""
    scripted.on("GET", "/x", Reply(200, b" "), as_json({}))
    assert transport.send(GET).object() == {}
    scripted.on("GET", "/x", Reply(200))
    with pytest.raises(errors.UnexpectedAnswer, match="200 with an empty body"):
        transport.send(GET)
    scripted.on("PUT", "/x", Reply(200))
    assert transport.send(PUT).json() is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "a JSON list, not a JSON object"),
        (b'"x"', "a JSON string, not a JSON object"),
        (b"true", "a JSON boolean, not a JSON object"),
        (b"1.5", "a JSON number, not a JSON object"),
        (b"null", "null, not a JSON object"),
    ],
)
def test_json_of_another_shape(
    scripted: ScriptedServer, transport: Transport, body: bytes, words: str
) -> None:
    scripted.on("GET", "/x", Reply(200, body), as_json({}))
    with pytest.raises(errors.UnexpectedAnswer, match=words):
        transport.send(GET).object()
    with pytest.raises(errors.UnexpectedAnswer, match="a JSON object, not a JSON list"):
        transport.send(GET).list()


def test_a_cut_body(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("GET", "/x", Reply(200, b'{"a": 1}', cut=True), as_json({"a": 2}))
    assert transport.send(GET).object() == {"a": 2}
    scripted.on("GET", "/x", Reply(chunks=[b"{}"], cut=True))
    with pytest.raises(errors.UnexpectedAnswer, match="truncated"):
        transport.send(GET)


def test_damaged_compression(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("GET", "/x", Reply(200, b"nonsense", {"Content-Encoding": "gzip"}))
    with pytest.raises(errors.UnexpectedAnswer, match="corrupt"):
        transport.send(GET)


def test_an_endless_body(scripted: ScriptedServer) -> None:
    packed = gzip.compress(bytes(5_000_000))
    scripted.on("GET", "/x", Reply(200, packed, {"Content-Encoding": "gzip"}))
    transport = Transport(Credentials(scripted.url), user_agent="x", max_answer=1_000_000)
    with pytest.raises(errors.UnexpectedAnswer, match="larger than 1000000 bytes") as caught:
        transport.send(GET)
    assert isinstance(caught.value.__context__, BodyTooLargeError)
    transport.close()


def test_body__over_the_limit_of_the_server(scripted: ScriptedServer, transport: Transport) -> None:
    large = Request("POST", "/x", body=bytes(11 * 1024 * 1024))
    scripted.on("POST", "/x", Reply(500), Reply(hang_up=True))
    with pytest.raises(errors.RequestTooLarge):
        transport.send(large)
    with pytest.raises(errors.UnknownOutcome, match="too large"):
        transport.send(large)


def test_headers(scripted: ScriptedServer, make_client: ClientFactory) -> None:
    scripted.on("PUT", "/x", Reply(200))
    transport_of(make_client(user_agent_suffix="ci")).send(PUT)
    headers = scripted.seen[0].headers
    assert headers["User-Agent"].startswith("kestra-sync/")
    assert headers["User-Agent"].endswith(" ci")
    assert headers["Content-Type"] == "text/plain"


def test_log__contains_no_secrets(
    scripted: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.on("PUT", "/x", Reply(200, b'{"answer": "private"}'))
    request = Request("PUT", "/x", query=(("key", "private"),), body=b"private")
    transport.send(request)
    ours = [line for line in caplog.records if line.name == "kestra_sync.http"]
    assert ours[0].getMessage().startswith("PUT /x 200 ")
    assert TOKEN not in caplog.text
    assert "private" not in "".join(line.getMessage() for line in ours)


@pytest.mark.parametrize("reply", [Reply(401), Reply(500), Reply(hang_up=True), HTML])
def test_traceback__contains_no_secrets(
    scripted: ScriptedServer, make_client: ClientFactory, reply: Reply
) -> None:
    url = scripted.url.replace("//", "//me:url-secret@")
    for client in (make_client(), make_client(url, token=None)):
        scripted.on("PUT", "/x", reply)
        with pytest.raises(errors.KestraError) as caught:
            transport_of(client).send(PUT)
        text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert TOKEN not in text
        assert "url-secret" not in text
        assert "bWU6dXJs" not in text
    assert scripted.seen[-1].headers["Authorization"].startswith("Basic bWU6dXJs")


def test_streams(scripted: ScriptedServer, transport: Transport) -> None:
    scripted.on("GET", "/x", Reply(chunks=[b"a", b"b"]), Reply(200, b"ab"))
    for _ in range(2):
        with transport.stream(GET) as chunks:
            assert b"".join(chunks) == b"ab"
    scripted.on("GET", "/x", Reply(chunks=[b"a"], cut=True))
    with transport.stream(GET) as chunks, pytest.raises(errors.Unreachable):
        b"".join(chunks)
    scripted.on("GET", "/x", Reply(404))
    with pytest.raises(errors.NotFound), transport.stream(GET):
        pass
    scripted.on("GET", "/x", Reply(hang_up=True))
    with pytest.raises(errors.Unreachable), transport.stream(GET):
        pass


def test_cookies_of_the_server_are_sent_back(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """A load balancer tells its nodes apart by them."""
    scripted.on("GET", "/x", Reply(200, b"{}", {"Set-Cookie": "node=7; Path=/"}))
    transport.send(GET)
    transport.send(GET)
    assert [each.headers.get("Cookie") for each in scripted.seen] == [None, "node=7"]
