"""The key-value store."""

from __future__ import annotations

import json
import time

import pytest
import requests

from tests.support.server import Http

TEXT = {"Content-Type": "text/plain"}


def _put(http: Http, namespace: str, key: str, text: str, **headers: str) -> requests.Response:
    path = f"/namespaces/{namespace}/kv/{key}"
    return http.put(path, data=text.encode(), headers={**TEXT, **headers})


def _value(http: Http, namespace: str, key: str) -> object:
    """The value; 2.0 may answer it without an envelope."""
    answer = http.get(f"/namespaces/{namespace}/kv/{key}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["value"] if isinstance(body, dict) and {"type", "value"} <= set(body) else body


def test_a_json_value_comes_back(http: Http, namespace: str) -> None:
    value = {"format": 1, "resources": [{"id": "a", "n": 1.5, "ok": True}], "text": "äöü 😀"}
    assert _put(http, namespace, "a.B_c-d", json.dumps(value)).status_code == 200
    assert _value(http, namespace, "a.B_c-d") == value


def test_the_answer_has_type_revision_and_time(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "{}")
    _put(http, namespace, "key", '{"a": 1}')
    body = http.get(f"/namespaces/{namespace}/kv/key").json()
    if http.server.release == (1, 3):
        assert (body["type"], body["revision"]) == ("JSON", 2)
        assert body["updated"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain text", "plain"),
        ('"plain text"', "plain text"),
        ("a: b", "a"),
        ("12", 12),
        ("true", True),
        ("{a: b}", {"a": "b"}),
        ("[]", []),
    ],
)
def test_trap_the_value_is_read_as_ion(
    http: Http, namespace: str, text: str, value: object
) -> None:
    assert _put(http, namespace, "key", text).status_code == 200
    assert _value(http, namespace, "key") == value


def test_trap_null_members_are_dropped(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", '{"a": null, "b": [1, {"c": null}]}')
    assert _value(http, namespace, "key") == {"b": [1, {}]}


def test_json_as_content_type_is_refused(http: Http, namespace: str) -> None:
    answer = http.put(f"/namespaces/{namespace}/kv/key", json={"a": 1})
    assert answer.status_code == 415


def test_an_absent_key_is_404(http: Http, namespace: str) -> None:
    assert http.get(f"/namespaces/{namespace}/kv/absent").status_code == 404


def test_delete_says_whether_there_was_one(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "1")
    path = f"/namespaces/{namespace}/kv/key"
    first, second = http.delete(path), http.delete(path)
    assert (first.status_code, first.json()) == (200, True)
    assert (second.status_code, second.json()) == (200, False)
    assert http.get(path).status_code == 404


def test_an_expired_key_is_410(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "1", ttl="PT1S")
    time.sleep(1.5)
    assert http.get(f"/namespaces/{namespace}/kv/key").status_code == 410


def test_a_key_that_has_not_expired_is_there(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", '"x"', ttl="PT1H", description="held by a test")
    assert _value(http, namespace, "key") == "x"


def test_a_bad_key_is_refused(http: Http, namespace: str) -> None:
    assert _put(http, namespace, "-key", "1").status_code >= 400


def test_keys_of_the_tenant_are_found_by_text(http: Http, namespace: str) -> None:
    unique = f"kstest-{namespace.rpartition('.')[2]}"
    _put(http, namespace, f"{unique}.a", "1")
    _put(http, f"{namespace}.child", f"{unique}.b", "1")
    answer = http.get("/kv", params={"filters[q][EQUALS]": unique, "size": "100"})
    assert answer.status_code == 200
    entries = {(it["namespace"], it["key"]) for it in answer.json()["results"]}
    assert entries == {(namespace, f"{unique}.a"), (f"{namespace}.child", f"{unique}.b")}


def test_the_list_of_one_namespace_is_gone_in_2_0(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "1")
    answer = http.get(f"/namespaces/{namespace}/kv")
    if http.server.release < (2, 0):
        assert [it["key"] for it in answer.json()] == ["key"]
    else:
        assert answer.status_code >= 400


def test_more_than_a_megabyte_is_fine(http: Http, namespace: str) -> None:
    text = "x" * 1_300_000
    assert _put(http, namespace, "key", json.dumps(text)).status_code == 200
    assert _value(http, namespace, "key") == text
