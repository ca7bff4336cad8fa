"""Describes a failed connection, whether the request may have arrived, and what to do about it."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from kestra_sync.safe.secrets import without_userinfo

# Raised before a single byte of the request was sent.
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and all errors that it wraps, in the ways of ``requests`` and urllib3."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # Not `__context__`: it may be an exception that the caller was handling.
        linked = [current.__cause__, getattr(current, "reason", None)]
        if isinstance(current, NewConnectionError):
            linked.append(current.__context__)  # urllib3 before 2.0 does not raise it `from`
        pending += [link for link in (*linked, *current.args) if isinstance(link, BaseException)]


def never_sent(error: requests.RequestException) -> bool:
    """Return whether the request provably did not reach the server."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    return any(isinstance(cause, _NEVER_SENT) for cause in causes(error))


def timed_out(error: requests.RequestException) -> bool:
    """Return whether the request was sent, at least in part, and then timed out."""
    return not never_sent(error) and (
        isinstance(error, requests.Timeout)
        or any(isinstance(cause, TimeoutError) for cause in causes(error))
    )


def worth_a_retry(error: requests.RequestException) -> bool:
    """Return whether a retry may help; it does not for TLS errors."""
    return not any(isinstance(cause, ssl.SSLError) for cause in causes(error)) and isinstance(
        error,
        (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError),
    )


def describe(error: requests.RequestException) -> str:
    """Describe the failure briefly, without the address (the caller adds it)."""
    found = list(causes(error))
    for cause in found:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted ({cause.verify_message or 'unknown reason'})"
    for cause in found:
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'unknown reason'})"
    if isinstance(error, requests.exceptions.ProxyError):
        return _of_proxy(found)
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "the type of proxy is not supported"
    if any(isinstance(cause, socket.gaierror) for cause in found):
        return "the host name cannot be resolved"
    if any(isinstance(cause, ConnectionRefusedError) for cause in found):
        return "the connection was refused"
    if isinstance(error, requests.ConnectTimeout):
        return "connection timeout"
    if timed_out(error):
        return "no answer within the time limit"
    for cause in found:
        # The errors of `requests` are OSErrors, too, but without details.
        if isinstance(cause, OSError) and isinstance(cause.strerror, str):
            return f"the connection was interrupted ({cause.strerror})"
    return "the connection was interrupted"


def _of_proxy(found: list[BaseException]) -> str:
    if any(isinstance(cause, socket.gaierror) for cause in found):
        return "the host name of the proxy cannot be resolved"
    if any(isinstance(cause, ConnectionRefusedError) for cause in found):
        return "the proxy refused the connection"
    if any("407" in str(cause) for cause in found):
        return "the proxy requires authentication (407)"
    return "the proxy denied the request"


_DATES = ("expired", "not yet valid")
#: A word in the reason of OpenSSL → what to do.
_TLS = {
    "WRONG_VERSION_NUMBER": "the server does not use TLS on this port: use http:// or another port",
    "HTTP_REQUEST": "the server does not use TLS on this port: use http:// or another port",
    "UNSUPPORTED_PROTOCOL": "the server only offers an outdated TLS version: enable TLS 1.2 on it",
    "PROTOCOL_VERSION": "the server only offers an outdated TLS version: enable TLS 1.2 on it",
    "UNSAFE_LEGACY": "the server only offers an outdated TLS version: enable TLS 1.2 on it",
    "CERTIFICATE_REQUIRED": "the server requires a client certificate, which is not supported",
    "HANDSHAKE_FAILURE": "the server requires a client certificate or another TLS version",
}


def proxy_for(url: str) -> str | None:
    """Return the HTTP proxy that the environment sets for a URL, without credentials."""
    proxy = select_proxy(url, get_environ_proxies(url))
    return without_userinfo(proxy) if proxy else None


def remedy_of(error: requests.RequestException, url: str) -> str:
    """Return the remedy, as specific as the failure allows."""
    found = list(causes(error))
    text = " ".join(str(cause) for cause in found)
    proxy = proxy_for(url)
    if proxy is not None and (isinstance(error, requests.exceptions.ProxyError) or not _tls(found)):
        return (
            f"the connection goes through the proxy {proxy}, set by {proxy_variable(url)}: check"
            f" the proxy, or exclude {urlsplit(url).hostname} with NO_PROXY"
        )
    for cause in found:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = (cause.verify_message or "").lower()
            if any(each in reason for each in _DATES):
                return "renew the certificate, or correct the clock of this machine"
            if "mismatch" in reason or "not valid for" in reason:
                return "use a host name that the certificate covers"
            return (
                "if the certificate is signed by a private CA, set REQUESTS_CA_BUNDLE to a PEM "
                "file with the CA certificate"
            )
    for word, words in _TLS.items():
        if word in text.upper():
            return words
    if "\\x15\\x03" in text or "\x15\x03" in text:
        return "the server uses TLS on this port: use https://"
    return "check the URL, and that Kestra is running"


def _tls(found: list[BaseException]) -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in found)


def proxy_variable(url: str) -> str:
    """Return the variable that sets the proxy for ``url``."""
    scheme = urlsplit(url).scheme
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    return next((name for name in names if os.environ.get(name)), "the system's configuration")
