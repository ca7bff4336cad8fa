"""A small Kestra server in this process: flows, keys and executions in memory, real HTTP.

It keeps its state whatever happens to its answers: a test may change each of them on the way out,
and look at what the commands have really done.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Name = tuple[str, str]


@dataclass
class Answer:
    """What is sent back.

    :param cut: bytes that are held back although ``Content-Length`` promises them.
    :param gone: the connection is closed without a word.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    gone: bool = False


#: Given the route, the number of the answer and the answer, what is sent in its place.
Mutate = Callable[[str, int, Answer], Answer]


@dataclass
class State:
    """A flow on the server."""

    flows: dict[Name, list[bytes | None]] = field(default_factory=dict)
    keys: dict[Name, Any] = field(default_factory=dict)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def live(self) -> dict[Name, bytes]:
        """The flows that are there."""
        return {name: each[-1] for name, each in self.flows.items() if each[-1] is not None}


class SmallKestra:
    """The server; :attr:`mutate` may be set and cleared at any time.

    :attr:`logins` holds every ``Authorization`` that it was sent.
    """

    def __init__(self, version: str = "1.3.25") -> None:
        self.version = version
        self.state = State()
        self.mutate: Mutate | None = None
        self.routes: list[str] = []
        self.logins: set[str] = set()
        self._lock = threading.Lock()
        kestra = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                kestra.logins.add(self.headers.get("Authorization", ""))
                answer = kestra.answer(
                    self.command, self.path, body, self.headers.get("Content-Type", "")
                )
                if answer.gone:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])
                if answer.cut:
                    self.close_connection = True

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - as http.server finds them

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A closed connection does not need the error."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> SmallKestra:  # noqa: PYI034 - Self is of Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(self, state: State, mutate: Mutate | None = None) -> None:
        """Start a case from ``state``, which stays as it is."""
        with self._lock:
            self.state = copy.deepcopy(state)
            self.routes = []
            self.logins = set()
            self.mutate = mutate

    def answer(self, method: str, target: str, body: bytes, content_type: str) -> Answer:
        """Carry a request out, and mutate the answer."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        steps = [unquote(each) for each in parts.path.strip("/").split("/")]
        with self._lock:
            route, answer = self._route(method, steps, query, body, content_type)
            number = len(self.routes)
            self.routes.append(route)
            mutate = self.mutate
        return answer if mutate is None else mutate(route, number, answer)

    def _route(
        self, method: str, steps: list[str], query: dict[str, str], body: bytes, content_type: str
    ) -> tuple[str, Answer]:
        if steps == ["api", "v1", "configs"]:
            return "configs", _json({"version": self.version, "edition": "OSS"})
        if steps[:3] != ["api", "v1", "main"]:
            return "elsewhere", _json({"message": "Not Found"}, 404)
        kind, *rest = steps[3:]
        if kind == "flows":
            return self._flows(method, rest, query, body, content_type)
        if kind == "kv":
            found = [{"namespace": ns, "key": key} for ns, key in sorted(self.state.keys)]
            wanted = query.get("filters[q][EQUALS]", "")
            return "search keys", _page([each for each in found if wanted in each["key"]], query)
        if kind == "namespaces" and rest[1:2] == ["kv"] and len(rest) == 3:
            return self._key(method, (rest[0], rest[2]), body)
        if kind == "triggers" and rest == ["search"]:
            return "search triggers", _page([], query)
        if kind == "executions":
            return self._executions(method, rest, query)
        if kind == "logs":
            entry = {"timestamp": "2030-01-01T00:00:00Z", "level": "INFO", "message": "done"}
            if rest[1:] == ["follow"]:
                return "follow log", _events([{}, entry])
            return "log", _json([entry])
        return "elsewhere", _json({"message": "Not Found"}, 404)

    def _flows(
        self, method: str, rest: list[str], query: dict[str, str], body: bytes, content_type: str
    ) -> tuple[str, Answer]:
        flows, live = self.state.flows, self.state.live()
        if method == "POST" and not rest:
            name = _name(body)
            if name in live:
                return "create", _json({"message": "Flow id already exists"}, 422)
            flows.setdefault(name, []).append(body)
            return "create", _json(self._flow(name))
        if rest == ["validate"]:
            return "validate", _json(_validated(body, content_type))
        if rest == ["search"]:
            return "search", _page([self._flow(name, source=False) for name in sorted(live)], query)
        if rest == ["distinct-namespaces"]:
            return "namespaces", _json(sorted({name[0] for name in live}))
        if rest == ["export", "by-query"]:
            return "export", Answer(200, _zip(live), "application/octet-stream")
        if len(rest) == 3 and rest[2] == "revisions":
            kept = [
                self._flow((rest[0], rest[1]), revision=number)
                for number, text in enumerate(flows.get((rest[0], rest[1]), []), 1)
                if text is not None
            ]
            return "revisions", _json(kept, 200 if kept else 404)
        if len(rest) != 2:
            return "elsewhere", _json({"message": "Not Found"}, 404)
        return self._one(method, (rest[0], rest[1]), query, body)

    def _one(
        self, method: str, name: Name, query: dict[str, str], body: bytes
    ) -> tuple[str, Answer]:
        route = {"GET": "get", "PUT": "update", "DELETE": "delete"}.get(method, "elsewhere")
        kept = self.state.flows.get(name, [])
        asked = query.get("revision", "")
        revision = int(asked) if asked.isdigit() else len(kept)
        there = 0 < revision <= len(kept) and kept[revision - 1] is not None
        if not there or (method != "GET" and kept[-1] is None):
            return route, _json({"message": "Not Found"}, 404)
        if method == "DELETE":
            kept.append(None)
            return route, Answer(204)
        if method == "PUT" and kept[-1] != body:
            kept.append(body)
            revision = len(kept)
        return route, _json(self._flow(name, revision=revision))

    def _flow(
        self, name: Name, *, source: bool = True, revision: int | None = None
    ) -> dict[str, Any]:
        kept = self.state.flows[name]
        revision = revision or len(kept)
        found: dict[str, Any] = {
            "namespace": name[0], "id": name[1], "revision": revision, "disabled": False,
            "deleted": False, "tasks": [{"id": "t", "type": "io.kestra.plugin.core.log.Log"}],
        }  # fmt: skip
        text = kept[revision - 1]
        return {**found, "source": text.decode()} if source and text is not None else found

    def _key(self, method: str, name: Name, body: bytes) -> tuple[str, Answer]:
        kind = "lock" if "lock" in name[1] else "record"
        if method == "PUT":
            self.state.keys[name] = json.loads(body)
            return f"put {kind}", Answer(200)
        if method == "DELETE":
            return f"delete {kind}", _json(self.state.keys.pop(name, None) is not None)
        if name not in self.state.keys:
            return f"get {kind}", _json({"message": "Not Found"}, 404)
        return f"get {kind}", _json({"type": "JSON", "value": self.state.keys[name]})

    def _executions(
        self, method: str, rest: list[str], query: dict[str, str]
    ) -> tuple[str, Answer]:
        executions = self.state.executions
        if rest == ["search"]:
            return "search executions", _page(list(executions.values()), query)
        if method == "POST" and len(rest) == 2:
            kept = self.state.flows.get((rest[0], rest[1]), [None])
            if kept[-1] is None:
                return "start", _json({"message": "Not Found"}, 404)
            known = f"e{len(executions) + 1}"
            asked = query.get("revision", "")
            executions[known] = {
                "id": known, "namespace": rest[0], "flowId": rest[1],
                "flowRevision": int(asked) if asked.isdigit() else len(kept),
                "kind": query.get("kind"),
                "state": {"current": "RUNNING", "duration": "PT0.1S"},
                "labels": [{"key": "system.correlationId", "value": known}],
                "taskRunList": [
                    {"id": "r", "taskId": "t", "state": {"current": "SUCCESS"}, "outputs": {}}
                ],
                "outputs": {"count": 3},
            }  # fmt: skip
            return "start", _json(executions[known])
        found = executions.get(rest[0]) if rest else None
        if found is None:
            return "execution", _json({"message": "Not Found"}, 404)
        if rest[1:] == ["follow"]:  # a client that waits for it sees it end
            if found["state"]["current"] == "RUNNING":
                found["state"]["current"] = "SUCCESS"
            return "follow", _events([{}, found])
        if rest[1:] in (["kill"], ["actions", "kill"]):
            found["state"]["current"] = "KILLED"
            return "kill", Answer(202)
        if method == "DELETE":
            del executions[rest[0]]
            return "delete execution", Answer(204)
        return "execution", _json(found)


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


def _page(found: list[Any], query: dict[str, str]) -> Answer:
    size, page = int(query.get("size", "10")), int(query.get("page", "1"))
    return _json({"results": found[(page - 1) * size : page * size], "total": len(found)})


def _events(found: list[dict[str, Any]]) -> Answer:
    ids = ["start", *("progress" for _ in found[1:-1]), "end"]
    text = "".join(
        f"id: {known}\ndata: {json.dumps(each)}\n\n"
        for known, each in zip(ids, found, strict=False)
    )
    return Answer(200, text.encode(), "text/event-stream")


def _name(source: bytes) -> Name:
    text = source.decode()
    found = {
        key: match[1]
        for key in ("namespace", "id")
        if (match := re.search(rf"^{key}: *(\S+)", text, re.MULTILINE))
    }
    return found["namespace"], found["id"]


def _zip(live: dict[Name, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for (namespace, known), source in sorted(live.items()):
            archive.writestr(f"{namespace}-{known}.yml", source)
    return made.getvalue()


def _validated(body: bytes, content_type: str) -> list[dict[str, Any]]:
    sources = [(None, body)]
    if "multipart" in content_type:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        parts: Any = BytesParser().parsebytes(head + body).get_payload()
        sources = [(each.get_filename(), each.get_payload(decode=True)) for each in parts]
    found = []
    for number, (file, source) in enumerate(sources):
        namespace, known = _name(source)
        found.append({"index": number, "filename": file, "namespace": namespace, "flow": known})
    return found
