"""A proxy in front of a server that injects faults of networks and gateways.

It relays plain HTTP to one server. Rules say which requests go wrong and how:

>>> with FaultProxy("http://127.0.0.1:8080") as proxy:  # doctest: +SKIP
...     proxy.add(Rule(drop_answer, method="PUT", path=r"/flows/", nth=2))
...     ...  # talk to proxy.url
...     assert proxy.count("PUT") == 3
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_CHUNK = 65536
_SERVER_SECONDS = 300
_POLL_SECONDS = 0.01


@dataclass
class Seen:
    """A request that the proxy received."""

    method: str
    path: str
    """Without the query."""
    query: str
    sent: bytes
    """The body as it came."""
    headers: Mapping[str, str]
    status: int | None = None
    """What the client was told; None if it was not told anything."""
    began: float = 0.0
    """When it came, by the monotonic clock."""
    ended: float = 0.0
    """When the answer had been sent; 0 until then."""
    over: bool = False
    """Whether nothing more will happen to it, here or on the server."""

    @property
    def body(self) -> bytes:
        """The body, unpacked."""
        packed = any(it == ("content-encoding", "gzip") for it in _lower(self.headers))
        return gzip.decompress(self.sent) if packed else self.sent


def _lower(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name.lower(), value) for name, value in headers.items())


class _Connection(http.client.HTTPConnection):
    """Sends headers and body at once, because the server may hang if they arrive separately."""

    _head = b""

    def send(self, data: Any) -> None:
        if data.endswith(b"\r\n\r\n") and not self._head and self._more:
            self._head = data
        else:
            data, self._head = self._head + data, b""
            super().send(data)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None) -> None:  # type: ignore[override]
        self._more = bool(body)
        super().request(method, url, body, headers or {})


class Exchange:
    """A request in progress, for a fault."""

    def __init__(self, seen: Seen, handler: _Handler, server: str) -> None:
        self.seen = seen
        self.query = seen.query
        """The query that the server will get."""
        self._handler = handler
        self._server = urlsplit(server)

    def forward(self) -> contextlib.closing[Answer]:
        """Send the request to the server."""
        connection = _Connection(
            self._server.hostname or "", self._server.port or 80, timeout=_SERVER_SECONDS
        )
        target = self.seen.path + (f"?{self.query}" if self.query else "")
        headers = {
            name: value
            for name, value in self.seen.headers.items()
            if name.lower() not in _HOP_BY_HOP | {"accept-encoding"}
        }
        headers["Connection"] = "close"
        try:
            connection.request(self.seen.method, target, self.seen.sent or None, headers)
            return contextlib.closing(Answer(connection, connection.getresponse()))
        except BaseException:
            connection.close()  # the server has gone meanwhile
            raise

    def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the headers of the response; the body ends with the connection."""
        self.seen.status = status
        handler = self._handler
        handler.send_response_only(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True

    def write(self, data: bytes) -> None:
        """Send a part of the body."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        connection = self._handler.connection
        with contextlib.suppress(OSError):
            # With a linger time of zero, closing sends RST instead of an orderly end.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.abandon()


class Answer:
    """The response of the server."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse):
        self._connection = connection
        self._response = response
        self.status = response.status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The end-to-end headers of the response."""
        return [it for it in self._response.getheaders() if it[0].lower() not in _HOP_BY_HOP]

    @property
    def streams(self) -> bool:
        """Whether it is a stream of events."""
        return self._response.getheader("Content-Type", "").startswith("text/event-stream")

    def parts(self) -> Iterator[bytes]:
        """The body, in parts as received."""
        while part := self._response.read1(_CHUNK):
            yield part

    def events(self) -> Iterator[bytes]:
        """The body as server-sent events, each with its blank line."""
        event = b""
        while line := self._response.readline():
            event += line
            if line in (b"\n", b"\r\n"):
                yield event
                event = b""
        if event:
            yield event

    def read(self) -> bytes:
        """Return the whole body.

        :raises http.client.IncompleteRead: the response does not tell where it ends, as one whose
            headers were cut off: ``http.client`` takes that for a response without a body.
        """
        unknown = self._response.length is None and not self._response.chunked
        if unknown and not self.streams:
            raise http.client.IncompleteRead(b"")
        return self._response.read()

    def close(self) -> None:
        """End the connection to the server."""
        self._response.close()
        self._connection.close()


Fault = Callable[[Exchange], None]
"""What happens to a request instead of a plain relay."""


def relay(exchange: Exchange) -> None:
    """Forward the request and the response without a fault."""
    with exchange.forward() as answer:
        if answer.streams:
            exchange.begin(answer.status, answer.headers)
            for part in answer.parts():
                exchange.write(part)
        else:
            body = answer.read()
            exchange.begin(answer.status, _with_length(answer.headers, len(body)))
            exchange.write(body)


def reset_request(exchange: Exchange) -> None:
    """Break the connection before the server receives the request."""
    exchange.reset()


def drop_answer(exchange: Exchange) -> None:
    """Break the connection after the server executed the request: the response is lost."""
    with exchange.forward() as answer:
        answer.read()
    exchange.reset()


def cut_body(exchange: Exchange) -> None:
    """Announce the whole body, send half of it."""
    with exchange.forward() as answer:
        body = answer.read()
        exchange.begin(answer.status, _with_length(answer.headers, len(body)))
        exchange.write(body[: len(body) // 2])


def delay(seconds: float, then: Fault = relay) -> Fault:
    """Wait before the request goes on."""

    def fault(exchange: Exchange) -> None:
        time.sleep(seconds)
        then(exchange)

    return fault


def reply(status: int, headers: Mapping[str, str] | None = None, body: bytes | str = b"") -> Fault:
    """Respond instead of the server, which never receives the request."""
    data = body.encode() if isinstance(body, str) else body

    def fault(exchange: Exchange) -> None:
        exchange.begin(status, _with_length(list((headers or {}).items()), len(data)))
        exchange.write(data)

    return fault


def replace_answer(
    status: int, headers: Mapping[str, str] | None = None, body: bytes | str = b""
) -> Fault:
    """Replace the response of the executed request, as a gateway does after its timeout."""

    def fault(exchange: Exchange) -> None:
        with exchange.forward() as answer:
            answer.read()
        reply(status, headers, body)(exchange)

    return fault


def too_many_requests(retry_after: int | str = 1) -> Fault:
    """429, with the time to wait."""
    return reply(429, {"Retry-After": str(retry_after)})


def bad_gateway(exchange: Exchange) -> None:
    """502, with HTML, as gateways do."""
    html = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    reply(502, {"Content-Type": "text/html"}, html)(exchange)


def strip_query(exchange: Exchange) -> None:
    """Remove the query string."""
    exchange.query = ""
    relay(exchange)


def buffer_events(exchange: Exchange) -> None:
    """Buffer a stream of events until it ends, then send all events at once."""
    with exchange.forward() as answer:
        body = answer.read()
        exchange.begin(answer.status, answer.headers)
        exchange.write(body)


def cut_events(after: int) -> Fault:
    """Break a stream after this number of events."""

    def fault(exchange: Exchange) -> None:
        with exchange.forward() as answer:
            exchange.begin(answer.status, answer.headers)
            for number, event in enumerate(answer.events(), start=1):
                if number > after:
                    break
                exchange.write(event)
        exchange.reset()

    return fault


def call_first(action: Callable[[], object], then: Fault = relay) -> Fault:
    """Run ``action`` before the request is forwarded, as a concurrent writer does."""

    def fault(exchange: Exchange) -> None:
        action()
        then(exchange)

    return fault


def call_after(action: Callable[[], object]) -> Fault:
    """Run ``action`` after the server executed the request, before the client gets the response."""

    def fault(exchange: Exchange) -> None:
        with exchange.forward() as answer:
            body = answer.read()
            action()
            exchange.begin(answer.status, _with_length(answer.headers, len(body)))
            exchange.write(body)

    return fault


@dataclass
class Rule:
    """The requests with a fault: those that match, from the ``nth`` on, ``times`` times."""

    fault: Fault
    method: str | None = None
    """None: any."""
    path: str = ""
    """A regular expression, searched in the path (without the query)."""
    nth: int = 1
    """The first matching request that it applies to, counted from 1."""
    times: int | None = 1
    """How often it applies; None: without limit."""
    seen: int = field(default=0, init=False)
    """Number of requests that matched so far."""

    def applies_to(self, method: str, path: str) -> bool:
        """Count the request if it matches; return whether the fault applies to it."""
        if self.method not in (None, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        past = self.seen - self.nth
        return past >= 0 and (self.times is None or past < self.times)


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and relays to ``server``."""

    def __init__(self, server: str) -> None:
        self._rules: list[Rule] = []
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._server = server
        self._listener = _Listener(self)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to use instead of the server's."""
        return f"http://127.0.0.1:{self._listener.server_port}"

    @property
    def requests(self) -> list[Seen]:
        """The requests so far, in order of arrival."""
        with self._lock:
            return list(self._seen)

    def count(self, method: str | None = None, path: str = "") -> int:
        """Number of requests with this method and a matching path."""
        return sum(
            1 for it in self.requests if method in (None, it.method) and re.search(path, it.path)
        )

    def forget(self) -> None:
        """Empty the log of requests; the rules stay."""
        with self._lock:
            self._seen.clear()

    def add(self, rule: Rule) -> Rule:
        """Add a rule; the first one that applies to a request is used."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> FaultProxy:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def handle(self, seen: Seen, handler: _Handler) -> None:
        """Record one request, and apply the fault of the first matching rule, if any."""
        seen.began = time.monotonic()
        with self._lock:
            self._seen.append(seen)
            matching = [rule for rule in self._rules if rule.applies_to(seen.method, seen.path)]
        fault = matching[0].fault if matching else relay
        exchange = Exchange(seen, handler, self._server)
        try:
            fault(exchange)
        except ConnectionRefusedError:
            bad_gateway(exchange)
        except (OSError, http.client.HTTPException):
            exchange.reset()  # one of the two sides has gone; the other one notices
        finally:
            seen.ended = time.monotonic()
            seen.over = True


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            path, _, query = self.path.partition("?")
            seen = Seen(self.command, path, query, self._body(), dict(self.headers.items()))
            self.server.proxy.handle(seen, self)
        except OSError:
            self.close_connection = True

    def abandon(self) -> None:
        """Close the socket at once, without the graceful shutdown of the base class."""
        self.close_connection = True
        # The files on the socket keep it open; they go first, then the close is a real one.
        for file in (self.rfile, self.wfile):
            with contextlib.suppress(OSError):
                file.close()
        self.connection.close()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            # The client died while it was speaking: half a request is none.
            raise ConnectionAbortedError("the client has gone")
        return body

    def log_message(self, *args: object) -> None:
        """Log nothing, because the proxy has its own log."""


def _with_length(headers: list[tuple[str, str]], length: int) -> list[tuple[str, str]]:
    others = [it for it in headers if it[0].lower() != "content-length"]
    return [*others, ("Content-Length", str(length))]
