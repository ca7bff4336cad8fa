"""Content negotiation: 406 and 415, on every version."""

from __future__ import annotations

import gzip

import pytest
import requests

from tests.e2e.contract.calls import Statuses, created, execute, stored, until_state
from tests.support.server import YAML, Http
from tests.support.sources import SLEEP, flow, log_flow, task

pytestmark = pytest.mark.versions

_JSON = {"Accept": "application/json"}


def _accepting(http: Http, path: str, accept: str, method: str = "GET") -> requests.Response:
    answer: requests.Response = http.request(method, path, headers={"Accept": accept})
    return answer


@pytest.mark.parametrize(
    ("path", "produced"),
    [
        ("/flows/search", "application/json"),
        ("/flows/distinct-namespaces", "application/json"),
        ("/executions/search", "application/json"),
        ("/kv", "application/json"),
        ("/api/v1/plugins/schemas/flow", "application/json"),
        ("/namespaces/{ns}/files/export", "application/octet-stream"),
        ("/logs/unknown/follow", "text/event-stream"),
    ],
)
def test_a_route_answers_its_own_type_and_any(
    http: Http, namespace: str, path: str, produced: str
) -> None:
    path = path.format(ns=namespace)
    other = "text/json" if produced != "text/json" else "application/json"
    refused = _accepting(http, path, other)
    assert refused.status_code == 406, refused.text
    assert "not supported. Supported types:" in refused.json()["message"]
    for accept in (produced, "*/*", f"{other}, {produced};q=0.5"):
        headers = {"Accept": accept}
        with http.get(path, headers=headers, stream=True) as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith(produced)


def test_trap__an_export_that_must_be_json_is_taken_for_a_flow(http: Http) -> None:
    answer = _accepting(http, "/flows/export/by-query", "application/json")
    assert answer.status_code == 404
    assert _accepting(http, "/flows/export/by-query", "application/octet-stream").ok


def test_trap__a_kill_is_refused_where_json_is_asked_for(http: Http, namespace: str) -> None:
    created(http, flow(namespace, "f", task(SLEEP, duration="PT60S")))
    execution_id = execute(http, namespace, "f")["id"]
    until_state(http, execution_id, frozenset({"RUNNING"}))
    new = http.server.release >= (2, 0)
    path = f"/executions/{execution_id}{'/actions/kill' if new else '/kill'}"
    refused = http.delete(path, headers=_JSON)
    assert refused.status_code == 406
    assert "Supported types: [text/json]" in refused.json()["message"]
    assert http.get(f"/executions/{execution_id}").json()["state"]["current"] == "RUNNING"
    done = http.delete(path, headers={"Accept": "text/json"})
    assert done.status_code == (200 if new else 202)
    until_state(http, execution_id, frozenset({"KILLED"}))


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/flows/validate", "text/plain"),
        ("PUT", "/namespaces/{ns}/kv/key", "application/json"),
        ("PUT", "/namespaces/{ns}/kv/key", "application/x-yaml"),
        ("POST", "/executions/{ns}/f", "application/json"),
        ("POST", "/executions/{ns}/f", "application/x-yaml"),
        ("POST", "/namespaces/{ns}/files?path=/a", "application/json"),
        ("POST", "/flows/export/by-ids", "application/x-yaml"),
    ],
)
def test_content_type__wrong_type_is_415(
    http: Http, namespace: str, method: str, path: str, content_type: str
) -> None:
    answer = http.request(
        method, path.format(ns=namespace), data=b"{}", headers={"Content-Type": content_type}
    )
    assert answer.status_code == 415, answer.text
    assert f"Content Type [{content_type}] not allowed" in answer.json()["message"]


def test_flows_as_json_are_not_validated(http: Http) -> None:
    """1.3 takes it for the bulk update ``POST /flows/{namespace}``, without any flows."""
    answer = http.request(
        "POST", "/flows/validate", data=b"{}", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == Statuses(422, 415).of(http), answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/flows/search"),
        ("PUT", "/secrets"),
        ("POST", "/kv"),
        ("DELETE", "/flows/distinct-namespaces"),
    ],
)
def test_another_method_is_405(http: Http, method: str, path: str) -> None:
    answer = http.request(method, path)
    assert answer.status_code == 405
    assert f"Method [{method}] not allowed" in answer.json()["message"]


def test_a_compressed_body_is_unpacked_and_stored_byte_for_byte(http: Http, namespace: str) -> None:
    source = (log_flow(namespace, "packed", "'äöü 😀'") + "# end\n" * 1500).encode()
    packed = gzip.compress(source)
    headers = {**YAML, "Content-Encoding": "gzip"}
    assert len(packed) < 1000
    assert http.post("/flows", data=packed, headers=headers).status_code == 200
    assert stored(http, namespace, "packed")["source"].encode() == source
    changed = gzip.compress(source + b"# more\n")
    assert http.put(f"/flows/{namespace}/packed", data=changed, headers=headers).ok
    assert stored(http, namespace, "packed")["revision"] == 2


def test_the_limit_counts_what_is_unpacked(http: Http, namespace: str) -> None:
    source = log_flow(namespace, "big", "x" * (11 * 1024 * 1024)).encode()
    headers = {**YAML, "Content-Encoding": "gzip"}
    answer = http.post("/flows", data=gzip.compress(source), headers=headers)
    assert answer.status_code in (413, 500)
