"""Describes a failed connection, and tells whether the request may have arrived."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

# Raised before a single byte of the request was sent.
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)


def causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it wraps, by any of the ways ``requests`` and urllib3 wrap."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # Not `__context__`: it may be an exception that our caller was handling.
        linked = [current.__cause__, getattr(current, "reason", None)]
        if isinstance(current, NewConnectionError):
            linked.append(current.__context__)  # urllib3 before 2.0 does not raise it `from`
        pending += [link for link in (*linked, *current.args) if isinstance(link, BaseException)]


def never_sent(error: requests.RequestException) -> bool:
    """Whether the request provably did not reach the server."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    return any(isinstance(cause, _NEVER_SENT) for cause in causes(error))


def timed_out(error: requests.RequestException) -> bool:
    """Whether the request was sent, at least in part, and the time limit ended it."""
    return not never_sent(error) and (
        isinstance(error, requests.Timeout)
        or any(isinstance(cause, TimeoutError) for cause in causes(error))
    )


def worth_a_retry(error: requests.RequestException) -> bool:
    """Not for TLS: a certificate does not get better by asking again."""
    return not any(isinstance(cause, ssl.SSLError) for cause in causes(error)) and isinstance(
        error,
        (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError),
    )


def describe(error: requests.RequestException) -> str:
    """The failure in a few words, without the address (the caller has it)."""
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
        # The errors of `requests` are OSErrors too, without anything to say as such.
        if isinstance(cause, OSError) and isinstance(cause.strerror, str):
            return f"the connection broke ({cause.strerror})"
    return "the connection broke"


def _of_proxy(found: list[BaseException]) -> str:
    if any(isinstance(cause, socket.gaierror) for cause in found):
        return "the host name of the proxy cannot be resolved"
    if any(isinstance(cause, ConnectionRefusedError) for cause in found):
        return "the proxy refuses the connection"
    if any("407" in str(cause) for cause in found):
        return "the proxy requires authentication (407)"
    return "the proxy denied the request"
