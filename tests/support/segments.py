"""A relay that records how a request reaches a server: in one piece, or in several.

It does not read requests together again, as an HTTP server would: what one ``recv`` brings is one
segment. It may speak TLS (one segment is one record then), and may be an HTTP proxy.
"""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

CERTIFICATE = Path(__file__).parent.parent / "data/tls/server.pem"
_KEY = CERTIFICATE.with_suffix(".key")
_HEAD = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r\n")
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Segment:
    """Bytes that were received at once.

    :param first: whether its connection is new.
    """

    data: bytes
    first: bool = False

    @property
    def method(self) -> str:
        """The method of the request that begins here; ``""`` if none does."""
        match = _HEAD.match(self.data)
        return match.group(1).decode() if match else ""

    @property
    def path(self) -> str:
        """The path as it was sent, without the query."""
        match = _HEAD.match(self.data)
        return urlsplit(match.group(2).decode()).path if match else ""

    def header(self, name: str) -> str:
        """The value of a header, or ``""``."""
        head = self.data.partition(b"\r\n\r\n")[0]
        match = re.search(rb"(?im)^" + name.encode() + rb": *(.*?)\r?$", head)
        return match.group(1).decode("latin-1") if match else ""

    @property
    def body(self) -> bytes:
        """The received body, unpacked."""
        body = self.data.partition(b"\r\n\r\n")[2]
        return gzip.decompress(body) if self.header("Content-Encoding") == "gzip" else body

    @property
    def whole(self) -> bool:
        """Whether this is exactly the headers and the body of one request."""
        head, end, body = self.data.partition(b"\r\n\r\n")
        return bool(
            self.method
            and end
            and not re.search(rb"(?im)^Transfer-Encoding:", head)
            and len(body) == int(self.header("Content-Length") or 0)
        )


class SegmentRecorder:
    """Listens on a free port and relays to ``server``, an ``http://`` address.

    :param tls: be reached by ``https``, with :data:`CERTIFICATE`.
    :param proxy: be an HTTP proxy: what it is asked for names the server, or comes after CONNECT.
    """

    def __init__(self, server: str, *, tls: bool = False, proxy: bool = False) -> None:
        parts = urlsplit(server)
        self._server = (parts.hostname or "", parts.port or 80)
        self._proxy = proxy
        self._segments: list[Segment] = []
        self.connects: list[str] = []
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE, _KEY)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    @property
    def segments(self) -> list[Segment]:
        """All received segments, in order."""
        with self._lock:
            return list(self._segments)

    def forget(self) -> None:
        """Start over."""
        with self._lock:
            self._segments.clear()

    def close(self) -> None:
        """Stop listening, and close open connections."""
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> SegmentRecorder:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            target = self._server
            if self._proxy and client.recv(8, socket.MSG_PEEK).startswith(b"CONNECT"):
                asked = client.recv(_AT_ONCE).split()[1].decode()
                self.connects.append(asked)
                host, _, port = asked.rpartition(":")
                target = (host, int(port))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            server = socket.create_connection(target)
            self._open |= {client, server}
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            new = iter((True,))
            _pump(client, server, lambda data: self._note(data, next(new, False)))

    def _note(self, data: bytes, first: bool) -> bytes:
        with self._lock:
            self._segments.append(Segment(data, first))
        if self._proxy:  # the server wants a path
            data = re.sub(rb"^([A-Z]+) http://[^/ ]+", rb"\1 ", data)
        return data


def _pump(
    source: socket.socket,
    target: socket.socket,
    note: Callable[[bytes], bytes] = lambda data: data,
) -> None:
    with suppress(OSError):
        while data := source.recv(_AT_ONCE):
            target.sendall(note(data))
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
