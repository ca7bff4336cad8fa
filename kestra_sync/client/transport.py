"""Sends requests and retries them.

Reads are retried when the connection or a gateway fails. Writes are retried only if they were
provably not carried out: never sent, or rejected with 429 and ``Retry-After``. A write whose
response is lost raises :class:`~kestra_sync.client.errors.UnknownOutcome`, which the caller
resolves by reading.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from mmap import mmap
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
from urllib3.exceptions import LocationParseError

from kestra_sync.client.answer import (
    NOT_KESTRA_REMEDY,
    Answer,
    Compression,
    clean,
    describe_html,
    looks_like_html,
)
from kestra_sync.client.breakage import describe, proxy_for
from kestra_sync.client.connection import Session, SessionPool, Timeouts, new_session
from kestra_sync.client.credentials import Credentials
from kestra_sync.client.errors import AnswerTooLarge, UnexpectedAnswer, Unreachable
from kestra_sync.client.parallel import Pressure, in_parallel
from kestra_sync.client.request import (
    JSON,
    TEXT,
    YAML,
    KestraAuth,
    Request,
    StreamedBody,
    prepare,
    same_origin,
)
from kestra_sync.client.response import MAX_ANSWER, BodyTooLargeError, limited, read_body
from kestra_sync.client.retry import Backoff, ErrorBuilder, Failed, decide
from kestra_sync.errors import UsageError
from kestra_sync.resources import LargeContent
from kestra_sync.safe.secrets import Masker, without_userinfo

T = TypeVar("T")
R = TypeVar("R")

LOG = logging.getLogger("kestra_sync.http")
MAX_REDIRECTS = 5
_GOOD = frozenset({200, 201, 202, 204})
_COMPRESSED = frozenset({YAML, TEXT})
"""Forms are sent as they are."""


class Transport:
    """Sends requests to one server, with one login and a pool of sessions."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        verify: bool | str = True,
        max_answer: int = MAX_ANSWER,
        parallelism: int | None = None,
    ) -> None:
        self.url = credentials.url
        self.backoff = backoff
        self._credentials = credentials
        self._auth = KestraAuth(credentials)
        self._timeouts = timeouts
        self._verify = verify
        self._max_answer = max_answer
        self._sessions = SessionPool(lambda: new_session(user_agent))
        self._pressure = Pressure()
        self._compression = Compression()
        self._parallelism = parallelism
        self._slots = None if parallelism is None else threading.BoundedSemaphore(parallelism)
        self._environment: dict[str, dict[str, Any]] = {}

    @cached_property
    def _failures(self) -> ErrorBuilder:
        return ErrorBuilder(self.url, self.mask)

    @cached_property
    def _masker(self) -> Masker:
        # Only needed for failures, and it takes longer to build than a request.
        return Masker(self._credentials.secrets, {})

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def mask(self, text: str) -> str:
        """Return ``text`` of the server with our secrets masked."""
        return self._masker.mask(text)

    def map(self, work: Callable[[T], R], items: Iterable[T], max_parallel: int) -> list[R]:
        """Return the results of ``work``, which sends requests: at most ``max_parallel`` at a time.

        See :func:`~kestra_sync.client.parallel.in_parallel` for failures.
        """
        return in_parallel(work, items, min(max_parallel, self._parallelism or max_parallel))

    def send(self, request: Request) -> Answer:
        """Send ``request`` and return the response, if it is not an error.

        :raises KestraError: for any failure, see :mod:`kestra_sync.client.errors`.
        """
        attempt = 0
        end = None if request.time_limit is None else time.monotonic() + request.time_limit
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            found = self._attempt(request if left is None else replace(request, time_limit=left))
            if isinstance(found, Answer):
                return found
            again = decide(found.request, found.what, attempt, self.backoff, found.retry_after)
            if not again or left == 0.0:
                raise found.error
            self.backoff.wait(attempt, found.retry_after, end)
            attempt += 1
            if request.fresh_until is not None:
                request = replace(request, fresh_until=None)

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        """Yield the body of the response as it arrives, without retries.

        :raises KestraError: before or while it is read; a broken stream is ``Unreachable``.
        """
        started = time.monotonic()
        limit = request.time_limit
        with self._sessions.borrow() as session:
            try:
                with limited(limit, fixed=True):
                    response = self._exchange(session, request)
            except requests.RequestException as error:
                self._log(request, describe(error), started)
                raise self._failures.unreachable(error) from error
            self._log(request, response.status_code, started)
            with response:
                if response.status_code >= 400:
                    raise self._failures.answered(
                        request,
                        response.status_code,
                        response.headers.get("Content-Type", ""),
                        _in_memory(self._body(request, response)),
                    )
                yield self._chunks(response)

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        # Chunks as they arrive; a stream without chunks would otherwise be read to its end first.
        chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        try:
            yield from response.iter_content(None if chunked else 1)
        except requests.RequestException as error:
            raise self._failures.unreachable(error) from error

    def _attempt(self, request: Request) -> Answer | Failed:
        """Make one attempt. A response that cannot come from Kestra is raised immediately."""
        with self._slot(request), self._pressure.turn(), self._sessions.borrow() as session:
            if request.first is not None and not request.first_is_fresh:
                found = self._exchange_and_judge(session, request.first)
                if isinstance(found, Failed):
                    return found
                request.check_first(found)
            return self._exchange_and_judge(session, request)

    def _slot(self, request: Request) -> AbstractContextManager[object]:
        """Return a slot for one of the concurrent requests.

        Writes of keys need none: renewing the lock of an apply must not wait for the apply.
        """
        if self._slots is None or request.content_type == TEXT:
            return nullcontext()
        return self._slots

    def _exchange_and_judge(self, session: Session, request: Request) -> Answer | Failed:
        started = time.monotonic()
        seconds = self._seconds(request)
        if request.time_limit is not None:
            seconds = min(seconds, request.time_limit)
        try:
            with limited(seconds, fixed=request.time_limit is not None):
                response = self._exchange(session, request)
                body = self._body(request, response)
        except requests.RequestException as error:
            self._log(request, describe(error), started)
            failure = self._failures.broken(request, error)
            failure.__cause__ = error
            return Failed(request, error, failure)
        if response.status_code in {429, 503}:
            self._pressure.refused(response.status_code)
        else:
            self._pressure.answered()
        self._log(request, response.status_code, started)
        return self._judge(request, response, body)

    def _seconds(self, request: Request) -> float:
        """Return the time limit of one response."""
        return self._timeouts.read if request.read_timeout is None else request.read_timeout

    def _judge(
        self, request: Request, response: requests.Response, content: bytes | mmap | LargeContent
    ) -> Answer | Failed:
        status = response.status_code
        body = _in_memory(content)
        content_type = response.headers.get("Content-Type", "")
        if status < 400:
            answer = Answer(
                method=request.method,
                path=request.path,
                status=status,
                content_type=content_type,
                body=body,
                write=not request.repeatable,
                file=content if isinstance(content, mmap) else None,
                stored=content if isinstance(content, LargeContent) else None,
            )
            if 300 <= status < 400:
                raise answer.unexpected("a redirect without Location")
            if status not in _GOOD:
                # 206 is partial content, and 203 was modified by a proxy.
                raise answer.unexpected("a status that Kestra does not use")
            if status == 204 and response.headers.get("Content-Length", "0").strip() != "0":
                raise answer.unexpected("an unexpected body")
            if answer.write and looks_like_html(body, content_type):
                # Most likely a login form: the 200 does not confirm the write.
                raise answer.unexpected(describe_html(body))
            if request.method == "GET" and request.accept == JSON and not body.strip():
                return Failed(request, "empty response", answer.unexpected("an empty body"))
            return answer
        retry_after = self.backoff.retry_after(response.headers.get("Retry-After"))
        failure = self._failures.answered(request, status, content_type, body)
        return Failed(request, status, failure, retry_after)

    def _exchange(self, session: Session, request: Request) -> requests.Response:
        """Send the request, following redirects of reads; the body is not read yet."""
        packed = None
        if isinstance(request.body, bytes) and _may_be_packed(request):
            packed = self._compression.pack(request.body)
        if packed is None:
            return self._redirected(session, request, request.body)
        response = self._redirected(session, request, packed, encoding="gzip")
        first = response.status_code
        if not self._compression.doubtful(first):
            return response
        response.close()
        if request.first is not None:
            found = self._redirected(session, request.first, None)
            if found.status_code != 200:
                return found
            body = self._body(request.first, found)
            answer = self._judge(request.first, found, body)
            if isinstance(answer, Failed):
                raise answer.error
            request.check_first(answer)
        response = self._redirected(session, request, request.body)
        self._compression.settle(first, response.status_code)
        return response

    def _redirected(
        self,
        session: Session,
        request: Request,
        body: bytes | StreamedBody | None,
        encoding: str | None = None,
    ) -> requests.Response:
        url = self.url + request.target
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send_once(session, request, url, body, encoding)
            location = response.headers.get("Location")
            if response.status_code not in {301, 302, 303, 307, 308} or location is None:
                return response
            response.close()
            url = self._target(request, url, location)
        raise UnexpectedAnswer(
            f"{request.method} {request.path}: too many redirects (more than {MAX_REDIRECTS})",
            remedy=NOT_KESTRA_REMEDY,
        )

    def _send_once(
        self,
        session: Session,
        request: Request,
        url: str,
        body: bytes | StreamedBody | None,
        encoding: str | None,
    ) -> requests.Response:
        headers = {"Accept": request.accept, **request.headers}
        if request.content_type is not None:
            headers["Content-Type"] = request.content_type
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        connect, read = self._timeouts.connect, self._seconds(request)
        if request.time_limit is not None:
            least = 0.05
            connect, read = (max(least, min(each, request.time_limit)) for each in (connect, read))
        try:
            return session.exchange(
                prepare(session, request.method, url, body, headers, self._auth),
                timeout=(connect, read),
                **self._surroundings(session, url),
            )
        except (requests.exceptions.InvalidURL, LocationParseError, UnicodeError) as error:
            # Found only by the resolver, such as a label that is too long.
            proxy = proxy_for(url)
            if proxy:
                raise Unreachable(
                    f"{self.url}: the URL or the proxy {proxy} is not valid",
                    remedy="correct HTTPS_PROXY or HTTP_PROXY, or exclude the server with NO_PROXY",
                ) from error
            raise Unreachable(f"{self.url}: not a valid server URL") from error
        except requests.RequestException:
            raise
        except OSError as error:
            # `requests` raises this for a missing bundle; an invalid one is an SSLError.
            if "CA certificate bundle" not in str(error):
                raise
            raise UsageError(
                f"the CA bundle cannot be read: {str(error).rpartition(': ')[2]}",
                remedy="correct REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE), or unset it",
            ) from error

    def _surroundings(self, session: Session, url: str) -> dict[str, Any]:
        """Return proxies and certificates from the environment, determined once per server.

        ``Session.request`` reads all variables for every request.
        """
        origin = "/".join(url.split("/", 3)[:3])
        found = self._environment.get(origin)
        if found is None:
            found = dict(session.merge_environment_settings(url, {}, True, self._verify, None))
            del found["stream"]  # always
            self._environment[origin] = found
        return found

    def _target(self, request: Request, url: str, location: str) -> str:
        """Return the target of a redirect that may be followed: a GET on the same server.

        ``requests`` would turn other methods into a GET, and the response of another server would
        be taken for Kestra's.
        """
        try:
            target = urljoin(url, location)
            # Nor back to HTTP after a redirect to HTTPS.
            ours = same_origin(target, self.url) and same_origin(target, url)
            followed = ours and request.method == "GET"
        except ValueError:  # a port or an IPv6 address that cannot be one
            target, followed = location, False
        if followed:
            return target
        base = without_userinfo(target).split("?", 1)[0].removesuffix(request.path)
        raise UnexpectedAnswer(
            f"{request.method} {request.path}: the server redirects to {clean(base)}",
            remedy="use the URL that it redirects to, if that is Kestra",
        )

    def _body(self, request: Request, response: requests.Response) -> bytes | mmap | LargeContent:
        good = response.status_code < 400
        max_size = (request.max_size if good else None) or self._max_answer
        try:
            if good:
                return read_body(response, max_size, request.storage, request.progress)
            return read_body(response, max_size)
        except BodyTooLargeError:
            raise AnswerTooLarge(
                f"{request.method} {request.path}: the response is larger than {max_size} bytes",
                may_have_written=not request.repeatable,
            ) from None

    def _log(self, request: Request, outcome: object, started: float) -> None:
        # No query, headers or bodies: they may contain secrets.
        milliseconds = (time.monotonic() - started) * 1000
        LOG.debug("%s %s %s %.0f ms", request.method, request.path, outcome, milliseconds)


def _in_memory(content: bytes | mmap | LargeContent) -> bytes:
    """Return the content if it is in memory, which errors always are."""
    return content if isinstance(content, bytes) else b""


def _may_be_packed(request: Request) -> bool:
    return bool(request.body) and not request.repeatable and request.content_type in _COMPRESSED
