"""The key-value store."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from tests.support.server import Http

pytestmark = pytest.mark.versions

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
def test_trap__the_value_is_read_as_ion(
    http: Http, namespace: str, text: str, value: object
) -> None:
    assert _put(http, namespace, "key", text).status_code == 200
    assert _value(http, namespace, "key") == value


def test_trap__null_members_are_dropped(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", '{"a": null, "b": [1, {"c": null}]}')
    assert _value(http, namespace, "key") == {"b": [1, {}]}


def test_json_as_content_type_is_refused(http: Http, namespace: str) -> None:
    answer = http.put(f"/namespaces/{namespace}/kv/key", json={"a": 1})
    assert answer.status_code == 415


def test_an_absent_key_is_404(http: Http, namespace: str) -> None:
    assert http.get(f"/namespaces/{namespace}/kv/absent").status_code == 404


def test_kv__delete_returns_whether_it_existed(http: Http, namespace: str) -> None:
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


def test_key__unexpired_is_present(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", '"x"', ttl="PT1H", description="held by a test")
    assert _value(http, namespace, "key") == "x"


def test_key__invalid_name_is_refused(http: Http, namespace: str) -> None:
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


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('"hello"', "STRING", "hello"),
        ("42", "NUMBER", 42),
        ("1.50", "NUMBER", 1.5),
        ("true", "BOOLEAN", True),
        ('{"a": 1}', "JSON", {"a": 1}),
        ("2024-05-01", "DATE", "2024-05-01"),
        ("2024-05-01T10:11:12Z", "DATETIME", "2024-05-01T10:11:12Z"),
        ('"2024-05-01"', "STRING", "2024-05-01"),
        ("PT5M", "DURATION", "PT5M"),
        ('"PT5M"', "DURATION", "PT5M"),
        ('"P1D"', "DURATION", "PT24H"),
        ('""', "STRING", ""),
        ('{"a": 1} x', "JSON", {"a": 1}),
        ("1 2", "NUMBER", 1),
    ],
)
def test_the_type_comes_from_the_text(
    http: Http, namespace: str, text: str, kind: str, value: object
) -> None:
    assert _put(http, namespace, "key", text).status_code == 200
    body = http.get(f"/namespaces/{namespace}/kv/key").json()
    assert (body["type"], body["value"]) == (kind, value)


def test_trap__null_is_a_text_without_a_value(http: Http, namespace: str) -> None:
    assert _put(http, namespace, "key", "null").status_code == 200
    body = http.get(f"/namespaces/{namespace}/kv/key").json()
    assert body["type"] == "STRING"
    assert body.get("value") is None


def test_an_empty_body_is_422(http: Http, namespace: str) -> None:
    assert _put(http, namespace, "key", "").status_code == 422


@pytest.mark.parametrize(("ttl", "status"), [("soon", 500), ("-PT5M", 422)])
def test_ttl__invalid_value_is_refused(http: Http, namespace: str, ttl: str, status: int) -> None:
    assert _put(http, namespace, "key", "1", ttl=ttl).status_code == status


def _listed(http: Http, namespace: str, **query: str) -> list[dict[str, Any]]:
    query = {"filters[namespace][EQUALS]": namespace, "size": "100", **query}
    rows: list[dict[str, Any]] = http.get("/kv", params=query).json()["results"]
    return rows


def test_kv__list_contains_revisions_but_no_values(http: Http, namespace: str) -> None:
    _put(http, namespace, "b", "1", description="noted")
    _put(http, namespace, "a", "1")
    _put(http, namespace, "a", "1")
    first, second = _listed(http, namespace, sort="key:asc")
    number = "version" if http.server.release < (2, 0) else "revision"
    assert (first["key"], first[number], second["key"]) == ("a", 2, "b")
    assert second["description"] == "noted"
    assert "value" not in first
    assert first["updateDate"]


def test_a_list_comes_in_pages(http: Http, namespace: str) -> None:
    for key in "abc":
        _put(http, namespace, key, "1")
    pages = [_listed(http, namespace, size="2", page=n, sort="key:asc") for n in ("1", "2")]
    assert [[it["key"] for it in page] for page in pages] == [["a", "b"], ["c"]]


def test_trap__a_write_drops_the_description_and_the_time_to_live(
    http: Http, namespace: str
) -> None:
    _put(http, namespace, "key", "1", description="noted", ttl="PT1H")
    (before,) = _listed(http, namespace)
    assert before["expirationDate"]
    _put(http, namespace, "key", "1")
    (after,) = _listed(http, namespace)
    assert not {"description", "expirationDate"} & set(after)


def test_an_expired_key_is_not_listed_and_comes_back_with_the_next_number(
    http: Http, namespace: str
) -> None:
    _put(http, namespace, "key", "1", ttl="PT1S")
    time.sleep(1.5)
    assert _listed(http, namespace) == []
    _put(http, namespace, "key", "2")
    assert http.get(f"/namespaces/{namespace}/kv/key").json()["revision"] == 2


def test_many_keys_are_deleted_at_once(http: Http, namespace: str) -> None:
    _put(http, namespace, "a", "1")
    answer = http.delete(f"/namespaces/{namespace}/kv", json={"keys": ["a", "absent"]})
    assert (answer.status_code, answer.json()) == (200, {"keys": ["a"]})


def test_inherited_keys_are_those_of_the_parents(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "1")
    _put(http, f"{namespace}.child", "own", "1")
    answer = http.get(f"/namespaces/{namespace}.child/kv/inheritance").json()
    assert [(it["namespace"], it["key"]) for it in answer] == [(namespace, "key")]
