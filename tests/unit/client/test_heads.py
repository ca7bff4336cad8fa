"""Heads of responses: what we read ourselves is what ``http.client`` reads."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from http.client import BadStatusLine, HTTPException, HTTPResponse
from typing import Any, cast

import pytest

from kestra_sync.client import errors, response

from .conftest import ClientFactory

JSON = b"Content-Type: application/json\r\n"
PLAIN = (
    b"HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 10:00:00 GMT\r\n" + JSON + b"content-length: 2\r\n"
)
HEADS = {
    "plain": PLAIN,
    "error": b"HTTP/1.1 404 Not Found\r\n" + JSON + b"Content-Length: 2\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n",
    "empty reason": b"HTTP/1.1 200 \r\nContent-Length: 2\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + JSON,
    "chunked in capitals": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n",
    "both": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    "neither": b"HTTP/1.1 200 OK\r\n" + JSON,
    "close": PLAIN + b"Connection: Close\r\n",
    "keep-alive": PLAIN + b"Connection: keep-alive\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
    "early hints": b"HTTP/1.1 103 Early Hints\r\n",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n",
    "unknown protocol": b"HTTP/2 200 OK\r\nContent-Length: 2\r\n",
    "not HTTP": b"hello\r\n",
    "empty value": PLAIN + b"X-Nothing:\r\n",
    "blanks": PLAIN + b"X-Blanks:   a b  \r\nX-Tab:\ta\r\n",
    "two lines": PLAIN + b"X-Folded: a\r\n b\r\n",
    "Latin-1": PLAIN + b"X-Name: \xe4\r\n",
    "no colon": PLAIN + b"nonsense\r\n" + JSON,
    "name with a blank": PLAIN + b"X Name: a\r\n",
    "bare line feed": b"HTTP/1.1 200 OK\nContent-Length: 2\n",
    "length twice": PLAIN + b"Content-Length: 3\r\n",
    "cookies": PLAIN + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
    "length is not a number": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n",
    "too many fields": PLAIN + b"X-Field: a\r\n" * 101,
    "most fields": PLAIN + b"".join(b"X-%d: a\r\n" % number for number in range(96)),
    "long line": PLAIN + b"X-Long: " + b"a" * 70_000 + b"\r\n",
}


class Socket:
    """As much of a socket as ``HTTPResponse`` reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(cast("Any", io.BytesIO(self._data)))


def read(kind: Any, data: bytes, method: str) -> Any:
    """What a response of this kind says about itself, or the exception."""
    found = kind(Socket(data), method=method)
    try:
        found.begin()
    except (HTTPException, ValueError) as error:
        return type(error), str(error)
    names = ("status", "code", "reason", "version", "chunked", "chunk_left", "length", "will_close")
    told = {name: getattr(found, name) for name in names}
    fields = (
        found.msg.items(),
        found.headers.items(),
        found.msg.get_payload() or "",
        found.msg.defects,
    )
    return told, [str(each) for each in fields], found.read() if not found.chunked else b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_head__is_read_as_http_client_does(head: bytes, method: str) -> None:
    data = head + b"\r\n{}"
    assert read(response.response_of, data, method) == read(HTTPResponse, data, method)


def test_head__server_that_does_not_speak_http_is_reported(make_client: ClientFactory) -> None:
    """An SSH server, for example."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:  # reads are repeated
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        client = make_client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(errors.Unreachable):
            client.kv.get("a.b", "k")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("end", range(len(PLAIN) + 2))
def test_head__that_is_cut_is_a_broken_connection(end: int) -> None:
    with pytest.raises(BadStatusLine):
        response.response_of(Socket((PLAIN + b"\r\n")[:end]), method="GET").begin()


def test_head__ordinary_one_is_not_parsed_as_an_email(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("http.client.parse_headers")
    for name in ("plain", "error", "chunked", "close", "keep-alive"):
        found = response.response_of(Socket(HEADS[name] + b"\r\n"), method="GET")
        found.begin()
        assert found.status
