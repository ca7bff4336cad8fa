"""Adds credentials to requests to our server only.

An own ``AuthBase`` for everything, even for "none": without one ``requests`` would look into
``~/.netrc`` and put what it finds there over our header.
"""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from kestra_sync.client.credentials import Credentials


class KestraAuth(AuthBase):
    """Bearer token, or basic authentication, or nothing at all."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._header = _header(credentials)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header, or make sure that there is none."""
        request.headers.pop("Authorization", None)
        if same_origin(request.url or "", self._credentials.url):
            request.headers.update(self._credentials.headers)
            if self._header is not None:
                request.headers["Authorization"] = self._header
        return request

    def __repr__(self) -> str:
        kind = "none" if self._header is None else self._header.split(" ", 1)[0]
        return f"<KestraAuth {kind}>"


def _header(credentials: Credentials) -> str | None:
    if credentials.token is not None:
        return f"Bearer {credentials.token}"
    if credentials.username is not None and credentials.password is not None:
        pair = f"{credentials.username}:{credentials.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def same_origin(url: str, ours: str) -> bool:
    """Same scheme, host and port; an upgrade of our host from http to https counts too."""
    there, here = urlsplit(url), urlsplit(ours)
    if there.hostname != here.hostname:
        return False
    if (here.scheme, there.scheme) == ("http", "https"):
        return (_port(here.port, 80), _port(there.port, 443)) == (80, 443)
    default = 443 if here.scheme == "https" else 80
    same_port = _port(there.port, default) == _port(here.port, default)
    return there.scheme == here.scheme and same_port


def _port(port: int | None, default: int) -> int:
    return default if port is None else port
