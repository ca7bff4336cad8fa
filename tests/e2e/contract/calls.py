"""Requests that several contract tests send."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import requests

from tests.support.server import YAML, Http

FINAL = frozenset(
    ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED", "RETRIED", "RESUBMITTED")
)
PATIENCE_SECONDS = 30.0


class Statuses(NamedTuple):
    """What each line answers."""

    v1: int
    v2: int

    def of(self, http: Http) -> int:
        """What the server under test must answer."""
        return self.v1 if http.server.release < (2, 0) else self.v2


def create(http: Http, source: str | bytes) -> requests.Response:
    """POST a flow, with any result."""
    return http.post("/flows", data=_bytes(source), headers=YAML)


def created(http: Http, source: str | bytes) -> dict[str, Any]:
    """POST a flow that must be accepted."""
    return _ok(create(http, source))


def update(http: Http, namespace: str, flow_id: str, source: str | bytes) -> requests.Response:
    """PUT a flow, with any result.

    In one small request on a connection of its own: of a flow that is not there, a server that does
    not get head and body in one read never answers, and spins until its memory is full. It reads
    2,048 bytes on a new connection, and ever less on one that has had small requests.
    """
    with Http(http.server) as fresh:
        answer: requests.Response = fresh.put(
            f"/flows/{namespace}/{flow_id}", data=_bytes(source), headers=YAML
        )
    return answer


def updated(http: Http, namespace: str, flow_id: str, source: str | bytes) -> dict[str, Any]:
    """PUT a flow that must be accepted."""
    return _ok(update(http, namespace, flow_id, source))


def stored(http: Http, namespace: str, flow_id: str, **query: str | int) -> dict[str, Any]:
    """The flow as the server has it, with its source."""
    return _ok(http.get(f"/flows/{namespace}/{flow_id}", params={"source": "true", **query}))


def found(http: Http, **filters: Any) -> list[str]:
    """The flows that a search finds, as ``namespace/id``; ``PREFIX="a"`` filters namespaces."""
    query = {f"filters[namespace][{op}]": value for op, value in filters.items()}
    page = _ok(http.get("/flows/search", params={"size": 200, **query}))
    return sorted(f"{it['namespace']}/{it['id']}" for it in page["results"])


def export(http: Http, **filters: Any) -> dict[str, bytes]:
    """The files of an export."""
    query = {f"filters[namespace][{op}]": value for op, value in filters.items()}
    answer = http.get("/flows/export/by-query", params=query)
    assert answer.status_code == 200, answer.text
    return unzipped(answer.content)


def unzipped(content: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def validate(http: Http, *parts: str | bytes) -> list[dict[str, Any]]:
    """Validate sources, each as a multipart part of its own."""
    files = [("flows", (f"{n}.yaml", _bytes(part))) for n, part in enumerate(parts)]
    return _rows(http.post("/flows/validate", files=files))


def execute(http: Http, namespace: str, flow_id: str, **query: str) -> dict[str, Any]:
    """Start an execution that must be accepted."""
    return _ok(http.post(f"/executions/{namespace}/{flow_id}", params=query))


def ended(http: Http, execution_id: str) -> dict[str, Any]:
    """The execution once its state is final."""
    return until_state(http, execution_id, FINAL)


def until_state(http: Http, execution_id: str, states: frozenset[str]) -> dict[str, Any]:
    """The execution once it is in one of the states."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = http.get(f"/executions/{execution_id}")
        # A new execution is in the queue first; the repository has it a moment later.
        if answer.status_code == 200 and answer.json()["state"]["current"] in states:
            return _ok(answer)
        time.sleep(0.1)
    raise AssertionError(f"not in {sorted(states)} after {PATIENCE_SECONDS} s: {answer.text}")


def logs(http: Http, execution_id: str, expected: str, **query: str) -> list[dict[str, Any]]:
    """The logs, once ``expected`` is among the messages: they are written with some delay."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        entries = _rows(http.get(f"/logs/{execution_id}", params=query))
        if any(expected in entry["message"] for entry in entries):
            return entries
        assert time.monotonic() < deadline, f"no {expected!r} in {entries}"
        time.sleep(0.1)


@dataclass
class Event:
    """One server-sent event."""

    fields: dict[str, str]

    @property
    def id(self) -> str:
        """Its id."""
        return self.fields.get("id", "")

    @property
    def data(self) -> str:
        """Its data."""
        return self.fields.get("data", "")


def events(answer: requests.Response) -> Iterator[Event]:
    """The events of a stream, as they come."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        text = line if isinstance(line, str) else line.decode()
        if text:
            name, _, value = text.partition(":")
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
        elif fields:
            yield Event(fields)
            fields = {}


def _bytes(source: str | bytes) -> bytes:
    return source.encode() if isinstance(source, str) else source


def _ok(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    body: dict[str, Any] = answer.json()
    return body


def _rows(answer: requests.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    body: list[dict[str, Any]] = answer.json()
    return body
