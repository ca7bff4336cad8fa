"""Prepared requests equal those that ``requests`` would send."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from kestra_sync.client.connection import new_session
from kestra_sync.client.credentials import resolve
from kestra_sync.client.request import KestraAuth, prepare

BASE = "http://kestra.example:8080/k/api/v1/main"


@pytest.mark.parametrize("added", [(), (("accept", "a/b"), ("X-Team", "x"))], ids=["", "added"])
@pytest.mark.parametrize("cookie", [False, True], ids=["no cookie", "cookie"])
@pytest.mark.parametrize("body", [None, b"", b"id: a\n"], ids=["none", "empty", "body"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/flows/acme/a?source=true&revision=2",
        f"{BASE}/flows/search?filters%5Bnamespace%5D%5BPREFIX%5D=acme&size=100",
        f"{BASE}/namespaces/acme.a-b_c~d/kv/key%20%C3%A4",
        "https://kestra.example/",
        "https://kestra.example",
        "http://Kestra.example/%7eä b",
        "http://[::1]:8080/x%2fy#z",
    ],
)
def test_prepared_as_requests_does(
    url: str,
    method: str,
    body: bytes | None,
    cookie: bool,
    added: tuple[tuple[str, str], ...],
) -> None:
    credentials = replace(
        resolve(url=BASE, username="a@acme.io", password="Secret1x", env_file=None, tenant="main"),
        headers=added,
    )
    auth = KestraAuth(credentials)
    session = requests.Session()
    if cookie:
        session.cookies.set("node", "7")
    headers = {"Accept": "*/*", "Content-Type": "application/x-yaml", "ttl": "PT1M"}
    theirs = session.prepare_request(
        requests.Request(method, url, data=body, headers=headers, auth=auth)
    )
    ours = prepare(session, method, url, body, headers, auth)
    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
    assert list(ours.headers.items()) == list(theirs.headers.items())
    assert ours.hooks == theirs.hooks


@pytest.mark.parametrize("proxies", [{}, {"http": "http://proxy.example:3128"}])
@pytest.mark.parametrize(
    "url", [f"{BASE}/flows/acme/a?source=true", "http://kestra.example/", "http://[::1]:1/x%2fy#z"]
)
def test_request_url__is_that_of_requests(url: str, proxies: dict[str, str]) -> None:
    request = requests.Request("GET", url).prepare()
    theirs = requests.adapters.HTTPAdapter().request_url(request, proxies)
    ours = new_session("test").get_adapter(url)
    assert isinstance(ours, requests.adapters.HTTPAdapter)
    assert ours.request_url(request, proxies) == theirs
