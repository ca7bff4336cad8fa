"""Calls that a deployment tool must not use, and why."""

from __future__ import annotations

import pytest

from tests.e2e.contract.calls import created, found, stored
from tests.support.server import YAML, Http
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions


def test_trap__replacing_a_namespace_deletes_what_is_not_in_the_body(
    http: Http, namespace: str
) -> None:
    created(http, log_flow(namespace, "kept"))
    created(http, log_flow(namespace, "lost"))
    body = log_flow(namespace, "kept").encode()
    assert http.post(f"/flows/{namespace}", data=body, headers=YAML).status_code == 200
    assert found(http, EQUALS=namespace) == [f"{namespace}/kept"]


def test_trap__they_cut_the_text_at_any_three_dashes(http: Http, namespace: str) -> None:
    table = "description: |\n  | a | b |\n  |---|---|\n"
    body = log_flow(namespace, "table", extra=table).encode()
    for call in (f"/flows/{namespace}", f"/flows/bulk?namespace={namespace}&delete=false"):
        assert http.post(call, data=body, headers=YAML).status_code >= 400
    # The flow by itself is fine.
    created(http, body)


def test_trap__import_answers_200_with_the_files_that_failed(http: Http, namespace: str) -> None:
    broken = log_flow(namespace, "typo", extra="unknownTop: 1\n")
    body = log_flow(namespace, "good") + "---\n" + broken
    files = {"fileUpload": ("flows.yaml", body.encode())}
    answer = http.post("/flows/import", files=files)
    assert answer.status_code == 200
    assert len(answer.json()) == 1
    assert stored(http, namespace, "good")["revision"] == 1


def test_trap__import_stores_what_create_refuses(http: Http, namespace: str) -> None:
    files = {"fileUpload": ("flows.yaml", log_flow(namespace, "not an id").encode())}
    assert http.post("/flows/import", files=files).status_code == 200
    if http.server.release == (1, 3):
        assert found(http, EQUALS=namespace) == [f"{namespace}/not an id"]
