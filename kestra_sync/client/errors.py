"""The errors of calls to the server.

``except KestraError`` catches all of them. After a failed write, check
:attr:`KestraError.may_have_written`: if it is true, read before you try again.
"""

# ruff: noqa: N818 - the names say what happened; the suffix Error would add nothing

from __future__ import annotations

from kestra_sync.errors import ExitCode, KestraSyncError

CREDENTIALS_REMEDY = (
    "check KESTRA_TOKEN, or KESTRA_USERNAME and KESTRA_PASSWORD, for this server and tenant"
)


class KestraError(KestraSyncError):
    """Base of every failure of a call to Kestra."""

    may_have_written: bool = False
    """Whether the call may have changed the server although it failed."""
    hanging: bool = False
    """Whether the server may be hanging because of the call, which must not be repeated."""


class Unreachable(KestraError):
    """No response, and nothing was done: unknown host, refused, TLS, timeout, reset (exit 69)."""

    exit_code = ExitCode.UNREACHABLE
    too_slow: bool = False
    """Whether the server was reached, but did not respond within the time limit."""


class UnknownOutcome(KestraError):
    """A write whose response was lost: it may have happened. Resolve it by reading.

    :param status: 502, 503 or 504 from a gateway, ``None`` if the connection was interrupted.
    """

    may_have_written = True

    def __init__(self, message: str, *, method: str, path: str, status: int | None = None) -> None:
        super().__init__(message, remedy="read the object before trying again")
        self.method = method
        self.path = path
        self.status = status


class UnexpectedAnswer(KestraError):
    """A response that Kestra would not send: HTML, a truncated body, a redirect (exit 69)."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(
        self, message: str, *, remedy: str | None = None, may_have_written: bool = False
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.may_have_written = may_have_written


class AnswerTooLarge(UnexpectedAnswer):
    """A response that exceeds the maximum size (exit 69)."""


class NotCredible(UnexpectedAnswer):
    """Responses that contradict each other, or omit what is known to exist (exit 69)."""

    exit_code = ExitCode.UNREACHABLE


class UnsupportedServer(UnexpectedAnswer):
    """The server is too old, or does not support the request (exit 69)."""

    exit_code = ExitCode.UNREACHABLE


class SourceChanged(KestraError):
    """The content to send changed after it was compared; nothing was written (exit 5)."""

    exit_code = ExitCode.CONFLICT


class ApiError(KestraError):
    """The server responded with an error.

    :param status: the HTTP status.
    :param server_message: the message of the server; may be ``""``.
    """

    default_remedy: str | None = None
    #: The meaning of the status, if the server sends no message.
    words: str = ""

    def __init__(
        self,
        status: int,
        method: str,
        path: str,
        server_message: str = "",
        *,
        may_have_written: bool = False,
    ) -> None:
        reason = server_message or self.words
        text = f": {reason}" if reason else ""
        super().__init__(f"{method} {path}: {status}{text}", remedy=self.default_remedy)
        self.status = status
        self.method = method
        self.path = path
        self.server_message = server_message
        self.may_have_written = may_have_written


class Unauthorized(ApiError):
    """401: no or wrong credentials (exit 77)."""

    words = "the server rejected the credentials"
    exit_code = ExitCode.NOT_ALLOWED
    default_remedy = CREDENTIALS_REMEDY


class Forbidden(ApiError):
    """403: these credentials may not do this (exit 77)."""

    words = "the account does not have permission for this"
    exit_code = ExitCode.NOT_ALLOWED
    default_remedy = "grant the permission, or use another account"


class NotKestra(ApiError):
    """An error response that is not from Kestra, such as a 404 page of a proxy (exit 69)."""

    exit_code = ExitCode.UNREACHABLE
    default_remedy = "check that the URL points to Kestra itself, and check any proxy in between"


class ProxyLogin(ApiError):
    """407: the HTTP proxy requires authentication (exit code 69)."""

    exit_code = ExitCode.UNREACHABLE
    default_remedy = (
        "set user name and password in HTTPS_PROXY or HTTP_PROXY "
        "(http://user:password@proxy:port), or exclude the server with NO_PROXY"
    )


class NotFound(ApiError):
    """404: no such flow, execution, key or tenant."""


class Gone(ApiError):
    """410: the key has expired."""


class ConflictingState(ApiError):
    """409: the state of the object does not allow this (a disabled flow, …)."""


class AlreadyExists(ApiError):
    """The flow to create already exists (422 in Kestra 1.x, 409 in 2.0)."""


class InvalidContent(ApiError):
    """422: the server rejects the content."""


class RequestTooLarge(ApiError):
    """413, or Kestra's 500 for a body over its limit (10 MiB by default)."""

    default_remedy = (
        "reduce the size of the content, or raise the limit of Kestra "
        "(micronaut.server.max-request-size)"
        " or of a proxy in front of it (nginx: client_max_body_size)"
    )


class TooManyRequests(ApiError):
    """429 even after retries: nothing was done."""


class ServerFailure(ApiError):
    """5xx: the server failed. A write may have happened anyway."""


class Unavailable(ServerFailure):
    """502, 503 or 504 for a read, even after retries (exit 69)."""

    exit_code = ExitCode.UNREACHABLE


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    407: ProxyLogin,
    409: ConflictingState,
    410: Gone,
    413: RequestTooLarge,
    422: InvalidContent,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}

_ABOUT_CONTENT = (ApiError, NotFound, ConflictingState, Gone, InvalidContent)
"""Errors about a flow or key, if they come from Kestra and not from a proxy."""

MAX_BODY = 10 * 1024 * 1024
"""Kestra's default limit for a request body."""


def api_error(
    status: int,
    method: str,
    path: str,
    server_message: str,
    *,
    write: bool = False,
    body_size: int = 0,
    limited: bool = True,
    of_kestra: bool = True,
) -> ApiError:
    """Return the exception for an error status.

    :param limited: whether Kestra's limit for request bodies applies.
    :param of_kestra: whether the body looks like a response of Kestra.
    """
    kind = _BY_STATUS.get(status, ServerFailure if status >= 500 else ApiError)
    if not of_kestra and kind in _ABOUT_CONTENT:
        kind = NotKestra
    if status == 500 and limited and body_size > MAX_BODY:
        kind = RequestTooLarge
    if status == 422 and "already exists" in server_message.lower():
        kind = AlreadyExists
    unsure = write and issubclass(kind, ServerFailure)
    if kind is RequestTooLarge and body_size:
        sent = f"{body_size / 1_000_000:.1f} MB" if body_size > 100_000 else f"{body_size} bytes"
        server_message = f"{sent} are too large" + (f": {server_message}" if server_message else "")
    return kind(status, method, path, server_message, may_have_written=unsure)
