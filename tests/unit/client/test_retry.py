"""The table of retries, row by row."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Literal

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from kestra_sync.client import retry
from kestra_sync.client.request import Request
from kestra_sync.client.retry import Backoff, decide

_READ = Request("GET", "/x")
_POSTED_READ = Request("POST", "/x", safe=True)
_REPLACEABLE = Request("GET", "/x", replaceable=True)
_UNSETTLED = Request("GET", "/x", unsettled=True)
_WRITE = Request("PUT", "/x")
_NEW = Request("POST", "/x", unsettled=True)


def _never_sent() -> requests.RequestException:
    refused = NewConnectionError(HTTPConnection("localhost"), "refused")
    return requests.ConnectionError(refused)


def _untrusted() -> requests.RequestException:
    return requests.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))


_BROKEN = requests.ConnectionError
_TRUNCATED = requests.exceptions.ChunkedEncodingError
_SLOW = requests.ReadTimeout
_EVERY = {
    "read": _READ,
    "posted read": _POSTED_READ,
    "replaceable": _REPLACEABLE,
    "unsettled": _UNSETTLED,
    "write": _WRITE,
    "new": _NEW,
}
_READS = {"read", "posted read", "replaceable", "unsettled"}


@pytest.mark.parametrize(
    ("what", "asked", "again"),
    [
        (_never_sent, None, set(_EVERY)),
        (requests.ConnectTimeout, None, set(_EVERY)),
        (_BROKEN, None, _READS),
        (_TRUNCATED, None, _READS),
        (_SLOW, None, _READS - {"replaceable"}),
        (_untrusted, None, set()),
        (requests.exceptions.InvalidURL, None, set()),
        (429, None, _READS),
        (429, 0.0, set(_EVERY)),
        (500, None, {"unsettled"}),
        (502, None, _READS),
        (503, None, _READS),
        (503, 5.0, _READS),
        (504, None, _READS - {"replaceable"}),
        ("empty response", None, _READS),
        (400, None, set()),
        (401, None, set()),
        (404, None, set()),
        (409, None, set()),
        (501, 1.0, set()),
    ],
)
def test_what_is_sent_again(
    what: int | Literal["empty response"] | Callable[[], requests.RequestException],
    asked: float | None,
    again: set[str],
) -> None:
    failure = what() if callable(what) else what
    backoff = Backoff(retries=2)
    found = {name for name, each in _EVERY.items() if decide(each, failure, 0, backoff, asked)}
    assert found == again
    assert {decide(each, failure, 1, backoff, asked) for each in _EVERY.values()} <= {
        bool(again),
        False,
    }
    assert not any(decide(each, failure, 2, backoff, asked) for each in _EVERY.values())


def test_a_new_rule_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails, and which requests are then sent again."""
    tried = {name: decide(each, 425, 0, Backoff()) for name, each in _EVERY.items()}
    assert not any(tried.values())
    monkeypatch.setitem(retry._AGAIN, 425, retry._reads)
    again = {name for name, each in _EVERY.items() if decide(each, 425, 0, Backoff())}
    assert again == {name for name, each in _EVERY.items() if each.repeatable}
    assert again
