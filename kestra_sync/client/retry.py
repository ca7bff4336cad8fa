"""When a request is repeated and after how long, and the error if it is not."""

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
    """Exponential, with jitter; what the server asks for takes precedence, up to a limit.

    :param retries: how many attempts after the first one.
    """

    retries: int = 3
    first: float = 0.5
    longest: float = 10.0
    longest_asked: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    # A generator of its own: waiting threads leave the state of the shared one alone.
    jitter: Callable[[], float] = random.Random().random  # noqa: S311 - spreads load, no secret

    def wait(self, attempt: int, asked: float | None = None, end: float | None = None) -> None:
        """Wait after ``attempt`` (from 0) has failed, not beyond ``end`` of the monotonic clock."""
        if asked is not None:
            seconds = min(asked, self.longest_asked)
        else:
            # Half of it is certain, half of it is chance.
            whole = min(self.first * 2.0**attempt, self.longest)
            seconds = whole * (0.5 + self.jitter() / 2)
        if end is not None:
            seconds = min(seconds, end - time.monotonic())
        if seconds > 0:
            self.sleep(seconds)

    def retry_after(self, header: str | None) -> float | None:
        """The seconds that ``Retry-After`` asks for: a number or a date; ``None`` if neither."""
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
"""Something in between has no answer from Kestra; what Kestra did, it does not know."""


def _none(_request: Request) -> bool:
    return False


def _all(_request: Request) -> bool:
    return True


def _reads(request: Request) -> bool:
    return request.repeatable


def _reads_without_alternative(request: Request) -> bool:
    """Another way is quicker than what the server is too slow for."""
    return request.repeatable and not request.replaceable


def _unsettled_reads(request: Request) -> bool:
    return request.repeatable and request.unsettled


#: What failed → the requests that are sent again. What is not here is final.
_AGAIN: Mapping[str | int, Callable[[Request], bool]] = {
    "never sent": _all,
    "connection broken": _reads,
    "no answer in time": _reads_without_alternative,
    "429 with Retry-After": _all,  # the server has not looked at it
    429: _reads,
    500: _unsettled_reads,
    502: _reads,
    503: _reads,
    504: _reads_without_alternative,
    "empty response": _reads,  # of JSON, which is never empty
}


def decide(
    request: Request,
    what: requests.RequestException | int | Literal["empty response"],
    attempt: int,
    backoff: Backoff,
    asked: float | None = None,
) -> bool:
    """Whether a request is sent again.

    :param what: the exception of the connection, the status of the answer, or that it is empty.
    :param attempt: how many there were before this one.
    :param asked: the seconds that the server asks to wait, if it does.
    """
    row: str | int | None
    if isinstance(what, requests.RequestException):
        row = _broken(what)
    elif what == 429 and asked is not None:
        row = "429 with Retry-After"
    else:
        row = what
    return attempt < backoff.retries and row is not None and _AGAIN.get(row, _none)(request)


def _broken(error: requests.RequestException) -> str | None:
    """The row of a failed connection; ``None`` for one that another attempt cannot repair."""
    if not worth_a_retry(error):
        return None
    if never_sent(error):
        return "never sent"
    return "no answer in time" if isinstance(error, requests.ReadTimeout) else "connection broken"


class ErrorBuilder:
    """Makes exceptions, with the secrets taken out.

    :param redact: takes our secrets out of a text.
    :param hint: what may be wrong with the credentials, for a 401.
    """

    def __init__(self, url: str, redact: Callable[[str], str], hint: str = "") -> None:
        self._url = url
        self._redact = redact
        self._hint = hint

    def broken(self, request: Request, error: requests.RequestException) -> KestraError:
        """For a connection that failed before the answer was complete."""
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
        """For a server that cannot be talked to."""
        failure = Unreachable(
            self._redact(f"{self._url}: {describe(error)}"), remedy=remedy_of(error, self._url)
        )
        failure.too_slow = isinstance(error, requests.ReadTimeout)
        return failure

    def answered(
        self, request: Request, status: int, content_type: str, body: bytes
    ) -> KestraError:
        """For an error status."""
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
    """For an update without an answer. If the flow was deleted just then, the server hangs."""
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
    """An attempt without an answer.

    :param what: see :func:`decide`.
    :param error: what the caller gets if there is no further attempt.
    :param asked: the seconds that the server asks to wait.
    """

    request: Request
    what: requests.RequestException | int | Literal["empty response"]
    error: KestraError
    asked: float | None = None
