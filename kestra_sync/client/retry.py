"""Decides whether and when a request is retried, and builds the error if it is not."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal

import requests

from kestra_sync.client.answer import message_of, might_be_of_kestra
from kestra_sync.client.breakage import describe, never_sent, remedy_of, timed_out, worth_a_retry
from kestra_sync.client.errors import (
    MAX_BODY,
    KestraError,
    UnexpectedAnswer,
    UnknownOutcome,
    Unreachable,
    api_error,
)
from kestra_sync.client.request import Request, StreamedBody


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with jitter; ``Retry-After`` takes precedence, up to a limit.

    :param retries: number of attempts after the first one.
    """

    retries: int = 3
    first: float = 0.5
    max_pause: float = 10.0
    max_retry_after: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    # A separate generator: waiting threads do not change the state of the shared one.
    jitter: Callable[[], float] = random.Random().random  # noqa: S311 - spreads load, no secret

    def wait(
        self, attempt: int, retry_after: float | None = None, end: float | None = None
    ) -> None:
        """Wait after ``attempt`` (from 0) has failed, at most until ``end`` (monotonic clock)."""
        if retry_after is not None:
            seconds = min(retry_after, self.max_retry_after)
        else:
            # Half of the time is fixed, half is random.
            whole = min(self.first * 2.0**attempt, self.max_pause)
            seconds = whole * (0.5 + self.jitter() / 2)
        if end is not None:
            seconds = min(seconds, end - time.monotonic())
        if seconds > 0:
            self.sleep(seconds)

    def retry_after(self, header: str | None) -> float | None:
        """Return the seconds in ``Retry-After``, a number or a date; ``None`` if it is neither."""
        if header is None:
            return None
        header = header.strip()
        if header.isascii() and header.isdigit():
            return float(header[:9])
        try:
            when = parsedate_to_datetime(header)
        except (ValueError, TypeError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        now = datetime.fromtimestamp(self.clock(), tz=timezone.utc)
        return max(0.0, (when - now).total_seconds())


GATEWAY = frozenset({502, 503, 504})
"""A proxy or gateway got no response from Kestra; the outcome of the request is unknown."""


def _none(_request: Request) -> bool:
    return False


def _all(_request: Request) -> bool:
    return True


def _reads(request: Request) -> bool:
    return request.repeatable


def _reads_without_alternative(request: Request) -> bool:
    """Return whether it is a read without an alternative that is faster than a retry."""
    return request.repeatable and not request.replaceable


def _unsettled_reads(request: Request) -> bool:
    return request.repeatable and request.unsettled


#: Failure → the requests that are retried after it. All other failures are final.
_AGAIN: Mapping[str | int, Callable[[Request], bool]] = {
    "never sent": _all,
    "connection broken": _reads,
    "no answer in time": _reads_without_alternative,
    "429 with Retry-After": _all,  # the server has not processed it
    429: _reads,
    500: _unsettled_reads,
    502: _reads,
    503: _reads,
    504: _reads_without_alternative,
    "empty response": _reads,  # JSON is never empty
}


def decide(
    request: Request,
    what: requests.RequestException | int | Literal["empty response"],
    attempt: int,
    backoff: Backoff,
    retry_after: float | None = None,
) -> bool:
    """Return whether to retry a request, after waiting.

    :param what: the exception of the connection, the status of the response, or that it is empty.
    :param attempt: the number of attempts before this one.
    :param retry_after: the seconds of ``Retry-After``, if there is one.
    """
    row: str | int | None
    if isinstance(what, requests.RequestException):
        row = _broken(what)
    elif what == 429 and retry_after is not None:
        row = "429 with Retry-After"
    else:
        row = what
    return attempt < backoff.retries and row is not None and _AGAIN.get(row, _none)(request)


def _broken(error: requests.RequestException) -> str | None:
    """Return the row for a failed connection; ``None`` if a retry cannot help."""
    if not worth_a_retry(error):
        return None
    if never_sent(error):
        return "never sent"
    return "no answer in time" if isinstance(error, requests.ReadTimeout) else "connection broken"


class ErrorBuilder:
    """Builds exceptions without secrets.

    :param redact: masks our secrets in a text.
    :param hint: the possible problem with the credentials, for a 401.
    """

    def __init__(self, url: str, redact: Callable[[str], str], hint: str = "") -> None:
        self._url = url
        self._redact = redact
        self._hint = hint

    def broken(self, request: Request, error: requests.RequestException) -> KestraError:
        """Return the error for a connection that failed before the response was complete."""
        where = f"{request.method} {request.path}"
        if not request.repeatable and not never_sent(error):
            if request.may_hang and timed_out(error):
                return _hanging(request, describe(error))
            text = f"{where}: {describe(error)} before the response was complete"
            if len(request.body or b"") > MAX_BODY:
                text += "; the content may be too large for the server"
            return UnknownOutcome(text, method=request.method, path=request.path)
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return UnexpectedAnswer(f"{where}: the response is corrupt")
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return UnexpectedAnswer(f"{where}: the response was truncated")
        return self.unreachable(error)

    def unreachable(self, error: requests.RequestException) -> Unreachable:
        """Return the error for a server that cannot be reached."""
        failure = Unreachable(
            self._redact(f"{self._url}: {describe(error)}"), remedy=remedy_of(error, self._url)
        )
        failure.too_slow = isinstance(error, requests.ReadTimeout)
        return failure

    def answered(
        self, request: Request, status: int, content_type: str, body: bytes
    ) -> KestraError:
        """Return the error for an error status."""
        message = self._redact(message_of(body, content_type))
        if status == 401 and self._hint:
            message = f"{message}; {self._hint}" if message else self._hint
        if status in GATEWAY and not request.repeatable:
            if request.may_hang and status == 504:
                return _hanging(request, "504, gateway timeout", status)
            text = f": {message}" if message else ""
            return UnknownOutcome(
                f"{request.method} {request.path}: {status}{text}",
                method=request.method,
                path=request.path,
                status=status,
            )
        return api_error(
            status,
            request.method,
            request.path,
            message,
            write=not request.repeatable,
            body_size=len(request.body or b""),
            limited=not isinstance(request.body, StreamedBody),
            of_kestra=might_be_of_kestra(body, content_type),
        )


def _hanging(request: Request, what: str, status: int | None = None) -> UnknownOutcome:
    """Return the error for an update without a response: the server may be hanging."""
    error = UnknownOutcome(
        f"{request.method} {request.path}: {what}; not retried, because the server may be hanging "
        f"(kestra-io/kestra issue 12984)",
        method=request.method,
        path=request.path,
        status=status,
    )
    error.remedy = (
        "check the server's CPU and memory; if it hangs, restart it, then run the command again"
    )
    error.hanging = True
    return error


@dataclass(frozen=True)
class Failed:
    """A failed attempt.

    :param what: see :func:`decide`.
    :param error: the error to raise if there is no further attempt.
    :param retry_after: the seconds of ``Retry-After``.
    """

    request: Request
    what: requests.RequestException | int | Literal["empty response"]
    error: KestraError
    retry_after: float | None = None
