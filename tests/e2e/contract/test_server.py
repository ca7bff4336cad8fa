"""The server itself: version, credentials, tenants, errors."""

from __future__ import annotations

import re

import pytest
import requests

from tests.e2e.contract.calls import create
from tests.support.server import Http, Server
from tests.support.sources import log_flow

pytestmark = pytest.mark.versions


def _bare(server: Server, path: str, auth: tuple[str, str] | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(server.url + path, timeout=60, auth=auth)


def test_configs_answer_without_credentials(server: Server) -> None:
    answer = _bare(server, "/api/v1/configs")
    assert answer.status_code == 200
    configs = answer.json()
    assert re.match(r"\d+\.\d+", configs["version"])
    assert configs["edition"] in ("OSS", "EE")
    assert configs["systemNamespace"]


def test_no_credentials_is_401_with_an_empty_body(server: Server) -> None:
    answer = _bare(server, f"/api/v1/{server.tenant}/flows/search")
    assert answer.status_code == 401
    assert answer.content == b""
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_wrong_credentials_are_401(server: Server) -> None:
    answer = _bare(
        server, f"/api/v1/{server.tenant}/flows/search", auth=("unknown@example.com", "Wrong-1234")
    )
    assert answer.status_code == 401


def test_another_tenant_is_400_on_the_open_source_edition(http: Http) -> None:
    answer = http.get("/api/v1/elsewhere/flows/search")
    if http.get("/api/v1/configs").json()["edition"] == "OSS":
        assert answer.status_code == 400
        assert "Tenant must be 'main' for OSS version" in answer.text
    else:
        assert answer.status_code >= 400


def test_trap__paths_without_a_tenant_still_work_on_1x(http: Http) -> None:
    answer = http.get("/api/v1/flows/search", params={"size": 1})
    if http.server.release < (2, 0):
        assert answer.status_code == 200
    else:
        assert answer.status_code in (200, 400, 404)


def test_an_unknown_route_is_404(http: Http) -> None:
    assert http.get("/no-such-thing").status_code == 404


def test_an_error_has_a_message(http: Http, namespace: str) -> None:
    answer = create(http, log_flow(namespace, "not an id"))
    assert answer.status_code == 422
    body = answer.json()
    assert body["message"].startswith("Invalid entity: id: must match")
    assert f"/api/v1/{http.server.tenant}/flows" in str(body["_links"]["self"])
    (detail,) = body["_embedded"]["errors"]
    assert detail["path"] == "id"
    assert detail["message"].startswith("must match")
