"""Examines the connection to the server for ``doctor``: proxy, certificate, clocks."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import reduce
from ssl import SSLSocket, cert_time_to_seconds
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import should_bypass_proxies

from kestra_sync.client.breakage import proxy_for, proxy_variable

#: In the order in which ``requests`` reads them.
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class NetworkRoute:
    """How requests reach a server according to the environment.

    :param proxy: the proxy, without credentials; ``None`` for a direct connection.
    :param proxy_variable: the variable that names it.
    :param bypassed: a proxy is set, but ``NO_PROXY`` excludes the server.
    :param ca_variable: the variable that names the trusted CAs; ``None`` for those of certifi.
    """

    host: str
    proxy: str | None = None
    proxy_variable: str = ""
    bypassed: bool = False
    ca_variable: str | None = None
    ca_bundle: str = ""


@dataclass(frozen=True)
class Certificate:
    """The certificate of a server, which was verified."""

    issuer: str
    expires: datetime


@dataclass(frozen=True)
class ConnectionInfo:
    """What a response reveals about the connection and the clock.

    :param ahead: seconds that the clock of this machine is ahead of the server's; ``None`` if the
        server does not send its time.
    :param certificate: ``None`` without TLS, or if it cannot be read.
    """

    ahead: float | None = None
    certificate: Certificate | None = None


def route_to(url: str) -> NetworkRoute:
    """Return the route to ``url`` according to the environment. Sends nothing."""
    host = urlsplit(url).hostname or ""
    proxy = proxy_for(url)
    variable = proxy_variable(url)
    named = bool(os.environ.get(variable))
    ca = next((each for each in _CA_VARIABLES if os.environ.get(each)), None)
    return NetworkRoute(
        host,
        proxy,
        variable,
        bypassed=proxy is None and named and bool(should_bypass_proxies(url, no_proxy=None)),
        ca_variable=ca,
        ca_bundle=os.environ.get(ca, "") if ca else "",
    )


def examine_connection(url: str, *, timeout: float = 10.0) -> ConnectionInfo:
    """Send one request without credentials, and examine the response and its connection.

    Never raises: without a response, all values are ``None``.
    """
    started = time.time()
    try:
        with requests.get(
            f"{url}/api/v1/configs", timeout=timeout, allow_redirects=False, stream=True
        ) as response:
            now = (started + time.time()) / 2
            return ConnectionInfo(
                _ahead(response.headers.get("Date"), now), _certificate(response.raw)
            )
    except (requests.RequestException, OSError):
        return ConnectionInfo()


def _ahead(date: str | None, now: float) -> float | None:
    try:
        there = parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return None
    if there.tzinfo is None:
        return None
    # A date has whole seconds, rounded down.
    return now - (there.timestamp() + 0.5)


def _certificate(raw: Any) -> Certificate | None:
    # Usually on the connection; after its last response, only the response has the socket.
    places = (("connection", "sock"), ("_fp", "fp", "raw", "_sock"))
    socks = (reduce(lambda each, name: getattr(each, name, None), path, raw) for path in places)
    found = next((each.getpeercert() for each in socks if isinstance(each, SSLSocket)), None)
    if not found or "notAfter" not in found:
        return None
    parts: Any = found.get("issuer", ())
    names = {key: value for part in parts for key, value in part}
    issuer = names.get("commonName") or names.get("organizationName") or "unknown"
    seconds = cert_time_to_seconds(str(found["notAfter"]))
    return Certificate(issuer, datetime.fromtimestamp(seconds, timezone.utc))
