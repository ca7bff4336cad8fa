"""Maps failed calls to exceptions."""

from __future__ import annotations

from collections.abc import Callable

import requests

from kestra_sync.client.breakage import describe, never_sent, timed_out
from kestra_sync.client.errors import (
    MAX_BODY,
    KestraError,
    UnexpectedAnswer,
    UnknownOutcome,
    Unreachable,
    api_error,
)
from kestra_sync.client.problems import message_of, might_be_of_kestra
from kestra_sync.client.remedies import remedy_of
from kestra_sync.client.request import Request

GATEWAY = frozenset({502, 503, 504})
"""Something in between has no answer from Kestra; what Kestra did, it does not know."""


class Failures:
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
