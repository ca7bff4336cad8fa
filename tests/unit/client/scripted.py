"""A server with scripted responses that records its requests."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    @property
    def params(self) -> dict[str, str]:
        return dict(self.query)


@dataclass(frozen=True)
class Reply:
    """What to answer.

    :param hang_up: ``reset`` the connection instead of answering.
    :param cut: claim more bytes than are sent.
    :param chunks: send these, one by one, as a chunked stream; cut off at the end if ``cut``.
    :param stall: keep the connection open without a word until the test is over; with ``cut``,
        in the middle of the answer.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False
    cut: bool = False
    chunks: Sequence[bytes] | None = None
    stall: bool = False


def as_json(data: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(data).encode()
    return Reply(status, body, {"Content-Type": "application/json", **named})


Answering = Reply | Callable[[Seen], Reply]


class ScriptedServer:
    """``on("GET", "/x", first, second)``: the last response is repeated."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._script: dict[tuple[str, str], list[Answering]] = {}
        self._lock = threading.Lock()
        self.over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                server.handle(self)

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, method: str, path: str, *replies: Answering) -> None:
        self._script[method, path] = list(replies)

    def asked(self, method: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    def close(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        seen = Seen(
            handler.command,
            parts.path,
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            dict(handler.headers.items()),
            body,
        )
        with self._lock:
            self.seen.append(seen)
            script = self._script.get((seen.method, seen.path), [Reply(404)])
            answering = script.pop(0) if len(script) > 1 else script[0]
        self._answer(handler, answering if isinstance(answering, Reply) else answering(seen))

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.stall and not reply.cut:
            self.over.wait(10)
        if reply.hang_up or (reply.stall and not reply.cut):
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.chunks is not None:
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            for chunk in reply.chunks:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                handler.wfile.flush()
            if not reply.cut:
                handler.wfile.write(b"0\r\n\r\n")
        else:
            length = len(reply.body) + (10 if reply.cut else 0)
            handler.send_header("Content-Length", str(length))
            handler.end_headers()
            handler.wfile.write(reply.body)
        if reply.cut:
            handler.wfile.flush()
            if reply.stall:
                self.over.wait(10)
            handler.close_connection = True
