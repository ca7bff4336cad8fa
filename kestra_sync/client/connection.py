"""Connections to the server: one ``send`` per request.

Kestra hangs, and takes its whole server along, when it reads the head of some requests without
their body (kestra-io/kestra issue 12984). ``http.client`` sends the two apart, so a connection here
holds back what is to be sent until the request is complete.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from urllib3.connection import HTTPConnection

from kestra_sync.client.request import PLAIN_URL, YAML, StreamedBody
from kestra_sync.client.response import LIMIT, response_of


@dataclass(frozen=True)
class Timeouts:
    """Seconds to connect, and for a complete response (more for large ones)."""

    connect: float = 10.0
    read: float = 60.0


class SessionPool:
    """A pool of sessions; creates a new one if none is idle."""

    def __init__(self, create: Callable[[], Session]) -> None:
        self._create = create
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        self._closed = 0

    @contextmanager
    def borrow(self) -> Iterator[Session]:
        """Provide a session for the exclusive use of this thread until the block ends."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
            closed = self._closed
        if session is None:
            session = self._create()
        try:
            yield session
        finally:
            with self._lock:
                current = closed == self._closed
                if current:
                    self._idle.append(session)
            if not current:
                session.close()

    def close(self) -> None:
        """Close the idle sessions now, and the ones in use when they are returned.

        The pool can still be used afterwards.
        """
        with self._lock:
            idle, self._idle = self._idle, []
            self._closed += 1
        for session in idle:
            session.close()


_NEW_CONNECTION: ContextVar[bool] = ContextVar("kestra_sync_on_its_own", default=False)
"""Whether the request of this thread needs a new connection."""


class SingleSendAdapter(HTTPAdapter):
    """Makes ``requests`` use the connections of this module: direct, TLS, and through proxies."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request; updates of flows use a new connection.

        The server's first read on a new connection takes 2,048 bytes. After small requests its
        buffer is smaller, and even a short update would arrive in two pieces.
        """
        if request.method != "PUT" or request.headers.get("Content-Type") != YAML:
            return super().send(request, *args, **kwargs)
        if not _CHECKS_REUSE:
            self.close()
        token = _NEW_CONNECTION.set(True)
        try:
            return super().send(request, *args, **kwargs)
        finally:
            _NEW_CONNECTION.reset(token)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Set up the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _use_single_send(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Set up the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_single_send(manager)
        return manager


class _Response(Response):
    """A response with only what is needed: status, headers, and the body as it arrives.

    ``requests`` also creates a cookie jar and a copy of the headers for each response.
    """

    def __init__(self, request: PreparedRequest, raw: Any) -> None:
        self.request, self.url = request, request.url or ""
        self.raw, self.headers = raw, raw.headers
        self.status_code, self.reason = raw.status, raw.reason
        self.encoding = None
        self._content: Any = False
        self._content_consumed = False


class _OneServerAdapter(SingleSendAdapter):
    """Caches what ``requests`` would determine about the server for each request.

    It belongs to one session, which sends one request at a time, nearly always to one server.
    """

    def __init__(self) -> None:
        self._found: tuple[tuple[object, ...], Any] | None = None
        self._verified: Any = None
        super().__init__(pool_connections=2, pool_maxsize=1)

    def close(self) -> None:
        """Close the connections."""
        self._found = self._verified = None
        super().close()

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the connection pool for the server of ``request``."""
        key = (_origin(request.url or ""), verify, proxies, cert)
        if self._found is None or self._found[0] != key:
            found = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._found = key, found
        return self._found[1]

    def cert_verify(self, conn: Any, *args: Any) -> None:
        """Configure the pool's certificates once."""
        if conn is not self._verified:
            super().cert_verify(conn, *args)  # type: ignore[no-untyped-call]
            self._verified = conn

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Return path and query, or the whole URL for a proxy."""
        url = request.url or ""
        if proxies or not PLAIN_URL.fullmatch(url):
            return super().request_url(request, proxies)
        return url[len(_origin(url)) :]

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Return the minimal response."""
        return _Response(req, resp)


def _origin(url: str) -> str:
    """Return scheme, host and port, as written."""
    return url[: url.find("/", 8)] if url.find("/", 8) > 0 else url


def _use_single_send(manager: Any) -> None:
    pools: MutableMapping[str, Any] = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {name: _with_single_send(pool) for name, pool in pools.items()}


@cache
def _with_single_send(pool: Any) -> Any:
    """Return a class like ``pool`` whose connections send each request at once."""
    if issubclass(pool.ConnectionCls, _SingleSend):
        return pool
    connection = type(pool.ConnectionCls.__name__, (_SingleSend, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


_PIECE = 64 * 1024
"""Bytes of a streamed body that are sent at a time."""


#: Without the markers of urllib3 for fields to skip, which have an ``@`` in front.
_PLAIN_HEADER = re.compile(r"[A-Za-z-]+: (?!@)[ -~]*")


class _SingleSend:
    """A mixin for the connection classes of urllib3."""

    _unsent: bytearray | None = None
    _streams = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Called for responses of the server, and of a proxy to CONNECT.
        self.response_class = response_of

    @property
    def is_connected(self) -> bool:
        """Whether the pool may reuse the connection; otherwise it reconnects."""
        return not _NEW_CONNECTION.get() and bool(super().is_connected)  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send head and body at once; a streamed body piece by piece, the first with the head."""
        self._streams = isinstance(kwargs.get("body"), StreamedBody)
        self._unsent = bytearray()
        try:
            super().request(*args, **kwargs)  # type: ignore[misc]
            self._release(last=True)
        finally:
            self._unsent = None

    def putheader(self, header: Any, *values: Any) -> None:
        """Add a field to the head; what is not plain text is left to urllib3 to check."""
        line = f"{header}: {values[0]}" if len(values) == 1 and isinstance(values[0], str) else ""
        if _PLAIN_HEADER.fullmatch(line):
            self._output(line.encode("ascii"))  # type: ignore[attr-defined]
        else:
            super().putheader(header, *values)  # type: ignore[misc]

    def _release(self, *, last: bool) -> None:
        """Send the buffered data."""
        this: Any = self
        if this.sock is None:
            this.connect()
        limit = LIMIT.get()
        if limit is not None:
            if last:  # the time limit of the response; each earlier piece has the same
                limit.begin()
            # The timeout so far is that of connecting, which is too short for a large body.
            this.sock.settimeout(limit.left())
        whole, self._unsent = bytes(self._unsent or b""), None
        this.send(whole)
        self._unsent = bytearray()

    def send(self, data: Any) -> None:
        """Buffer a part of a request; send anything else immediately."""
        if self._unsent is None:
            super().send(data)  # type: ignore[misc]
            return
        self._unsent += data
        if self._streams and len(self._unsent) >= _PIECE:
            self._release(last=False)


_CHECKS_REUSE = hasattr(HTTPConnection, "is_connected")
"""Whether this urllib3 checks if a connection can be reused (2.0)."""


class Session(requests.Session):
    """Sends each request once and follows no redirects: the transport checks them."""

    def exchange(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send ``request``; the body of the response is not read yet.

        ``Session.send`` would also process hooks and redirects, and measure the time.

        :raises requests.RequestException: there is no response.
        """
        response = self.get_adapter(request.url or "").send(request, stream=True, **kwargs)
        if "Set-Cookie" in response.headers:
            extract_cookies_to_jar(  # type: ignore[no-untyped-call]
                self.cookies, request, response.raw
            )
        return response


def new_session(user_agent: str) -> Session:
    """Create a session that uses the connections of this module."""
    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _OneServerAdapter())
    session.headers["User-Agent"] = user_agent
    return session
