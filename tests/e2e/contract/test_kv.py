"""The key-value store."""

from __future__ import annotations

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


def test_trap__the_value_is_read_as_ion(http: Http, namespace: str) -> None:
    """Null members are dropped."""
    values: dict[str, object] = {
        "plain text": "plain",
        '"plain text"': "plain text",
        "a: b": "a",
        "12": 12,
        "true": True,
        "{a: b}": {"a": "b"},
        "[]": [],
        '{"a": null, "b": [1, {"c": null}]}': {"b": [1, {}]},
    }
    for text, value in values.items():
        assert _put(http, namespace, "key", text).status_code == 200
        found = _value(http, namespace, "key")
        assert (type(found), found) == (type(value), value), text


def test_key__invalid_name_body_or_time_to_live_is_refused(http: Http, namespace: str) -> None:
    answer = http.put(f"/namespaces/{namespace}/kv/key", json={"a": 1})
    assert answer.status_code == 415
    assert _put(http, namespace, "key", "").status_code == 422
    assert _put(http, namespace, "-key", "1").status_code >= 400
    assert _put(http, namespace, "key", "1", ttl="soon").status_code == 500
    assert _put(http, namespace, "key", "1", ttl="-PT5M").status_code == 422


def test_kv__delete_returns_whether_it_existed(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "1")
    path = f"/namespaces/{namespace}/kv/key"
    first, second = http.delete(path), http.delete(path)
    assert (first.status_code, first.json()) == (200, True)
    assert (second.status_code, second.json()) == (200, False)
    assert http.get(path).status_code == 404


def test_an_expired_key_is_410_and_comes_back_with_the_next_number(
    http: Http, namespace: str
) -> None:
    _put(http, namespace, "key", "1", ttl="PT1S")
    _put(http, namespace, "kept", '"x"', ttl="PT1H", description="held by a test")
    time.sleep(1.5)
    assert http.get(f"/namespaces/{namespace}/kv/key").status_code == 410
    assert [each["key"] for each in _listed(http, namespace)] == ["kept"]
    assert _value(http, namespace, "kept") == "x"
    _put(http, namespace, "key", "2")
    assert http.get(f"/namespaces/{namespace}/kv/key").json()["revision"] == 2


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


def test_the_type_comes_from_the_text(http: Http, namespace: str) -> None:
    values: dict[str, tuple[str, object]] = {
        '"hello"': ("STRING", "hello"),
        "42": ("NUMBER", 42),
        "1.50": ("NUMBER", 1.5),
        "true": ("BOOLEAN", True),
        '{"a": 1}': ("JSON", {"a": 1}),
        "2024-05-01": ("DATE", "2024-05-01"),
        "2024-05-01T10:11:12Z": ("DATETIME", "2024-05-01T10:11:12Z"),
        '"2024-05-01"': ("STRING", "2024-05-01"),
        "PT5M": ("DURATION", "PT5M"),
        '"PT5M"': ("DURATION", "PT5M"),
        '"P1D"': ("DURATION", "PT24H"),
        '""': ("STRING", ""),
        '{"a": 1} x': ("JSON", {"a": 1}),
        "1 2": ("NUMBER", 1),
    }
    for number, (text, expected) in enumerate(values.items(), start=1):
        assert _put(http, namespace, "key", text).status_code == 200
        body = http.get(f"/namespaces/{namespace}/kv/key").json()
        assert (body["type"], body["value"]) == expected, text
        if http.server.release == (1, 3):
            assert body["revision"] == number
            assert body["updated"]


def test_trap__null_is_a_text_without_a_value(http: Http, namespace: str) -> None:
    assert _put(http, namespace, "key", "null").status_code == 200
    body = http.get(f"/namespaces/{namespace}/kv/key").json()
    assert body["type"] == "STRING"
    assert body.get("value") is None


def _listed(http: Http, namespace: str, **query: str) -> list[dict[str, Any]]:
    query = {"filters[namespace][EQUALS]": namespace, "size": "100", **query}
    rows: list[dict[str, Any]] = http.get("/kv", params=query).json()["results"]
    return rows


def test_kv__list_contains_revisions_but_no_values(http: Http, namespace: str) -> None:
    """It comes in pages."""
    for key in "bcaa":
        _put(http, namespace, key, "1", description=f"about {key}")
    first, second, third = _listed(http, namespace, sort="key:asc")
    number = "version" if http.server.release < (2, 0) else "revision"
    assert (first["key"], first[number], second["key"]) == ("a", 2, "b")
    assert second["description"] == "about b"
    assert "value" not in first
    assert first["updateDate"]
    pages = [_listed(http, namespace, size="2", page=n, sort="key:asc") for n in ("1", "2")]
    assert pages == [[first, second], [third]]


def test_trap__a_write_drops_the_description_and_the_time_to_live(
    http: Http, namespace: str
) -> None:
    _put(http, namespace, "key", "1", description="noted", ttl="PT1H")
    (before,) = _listed(http, namespace)
    assert before["expirationDate"]
    _put(http, namespace, "key", "1")
    (after,) = _listed(http, namespace)
    assert not {"description", "expirationDate"} & set(after)


def test_many_keys_are_deleted_at_once(http: Http, namespace: str) -> None:
    _put(http, namespace, "a", "1")
    answer = http.delete(f"/namespaces/{namespace}/kv", json={"keys": ["a", "absent"]})
    assert (answer.status_code, answer.json()) == (200, {"keys": ["a"]})


def test_inherited_keys_are_those_of_the_parents(http: Http, namespace: str) -> None:
    _put(http, namespace, "key", "1")
    _put(http, f"{namespace}.child", "own", "1")
    answer = http.get(f"/namespaces/{namespace}.child/kv/inheritance").json()
    assert [(it["namespace"], it["key"]) for it in answer] == [(namespace, "key")]
