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


def test_a_route_answers_its_own_type(http: Http, namespace: str) -> None:
    routes = {
        "/flows/search": "application/json",
        "/flows/distinct-namespaces": "application/json",
        "/executions/search": "application/json",
        "/kv": "application/json",
        f"/namespaces/{namespace}/files/export": "application/octet-stream",
        "/logs/unknown/follow": "text/event-stream",
    }
    for path, produced in routes.items():
        refused = _accepting(http, path, "text/json")
        assert refused.status_code == 406, refused.text
        assert "not supported. Supported types:" in refused.json()["message"]
        for accept in (produced, f"text/json, {produced};q=0.5"):
            with http.get(path, headers={"Accept": accept}, stream=True) as answer:
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


def test_content_type__wrong_type_is_415(http: Http, namespace: str) -> None:
    for method, path, content_type in (
        ("POST", "/flows/validate", "text/plain"),
        ("PUT", f"/namespaces/{namespace}/kv/key", "application/json"),
        ("PUT", f"/namespaces/{namespace}/kv/key", "application/x-yaml"),
        ("POST", f"/executions/{namespace}/f", "application/json"),
        ("POST", f"/executions/{namespace}/f", "application/x-yaml"),
        ("POST", f"/namespaces/{namespace}/files?path=/a", "application/json"),
        ("POST", "/flows/export/by-ids", "application/x-yaml"),
    ):
        headers = {"Content-Type": content_type}
        answer = http.request(method, path, data=b"{}", headers=headers)
        assert answer.status_code == 415, answer.text
        assert f"Content Type [{content_type}] not allowed" in answer.json()["message"]


def test_content_type__flow_as_json_is_refused(http: Http, namespace: str) -> None:
    """1.3 takes it for the bulk update ``POST /flows/{namespace}``, without any flows."""
    headers = {"Content-Type": "application/json"}
    answer = http.post("/flows/validate", data=b"{}", headers=headers)
    assert answer.status_code == Statuses(422, 415).of(http), answer.text
    source = log_flow(namespace, "typed").encode()
    assert http.post("/flows", data=source, headers=headers).status_code >= 400


def test_another_method_is_405(http: Http) -> None:
    for method, path in (
        ("PATCH", "/flows/search"),
        ("PUT", "/secrets"),
        ("POST", "/kv"),
        ("DELETE", "/flows/distinct-namespaces"),
    ):
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


def test_body__over_10_mib_is_refused(http: Http, namespace: str) -> None:
    """The limit counts what is unpacked."""
    source = log_flow(namespace, "big", "x" * (11 * 1024 * 1024)).encode()
    packed = http.post(
        "/flows", data=gzip.compress(source), headers={**YAML, "Content-Encoding": "gzip"}
    )
    for answer in (packed, http.post("/flows", data=source, headers=YAML)):
        # Kestra says 500; a proxy before it may be quicker with a 413.
        assert answer.status_code in (413, 500)
