"""Sends requests, and decides what becomes of those that fail.

Reads are repeated when the connection or a gateway fails. Writes are repeated only if they
provably were not carried out: never sent, or turned away with 429 and a time to come back. A
write whose answer is lost is an :class:`~kestra_sync.kestra.errors.UnknownOutcome`, for the
caller to resolve by reading.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import mmap
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import LocationParseError

from kestra_sync.kestra.address import without_userinfo
from kestra_sync.kestra.answer import Answer
from kestra_sync.kestra.auth import KestraAuth, same_origin
from kestra_sync.kestra.backoff import Backoff
from kestra_sync.kestra.body import MAX_ANSWER, SPOOL, BodyTooLargeError, read_body
from kestra_sync.kestra.connection import describe, never_sent, worth_a_retry
from kestra_sync.kestra.credentials import Credentials
from kestra_sync.kestra.errors import UnexpectedAnswer, Unreachable
from kestra_sync.kestra.failures import GATEWAY, Failures
from kestra_sync.kestra.pressure import Pressure
from kestra_sync.kestra.problems import clean, describe_html, looks_like_html
from kestra_sync.kestra.request import YAML, Request
from kestra_sync.kestra.sessions import SessionPool

LOG = logging.getLogger("kestra_sync.http")
MAX_REDIRECTS = 5


@dataclass(frozen=True)
class Timeouts:
    """Seconds to connect, and between two packets of an answer."""

    connect: float = 10.0
    read: float = 60.0


class Transport:
    """One server, one login, many sessions."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str,
        timeouts: Timeouts = Timeouts(),
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        verify: bool | str = True,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self.url = credentials.url
        self.backoff = backoff
        self._auth = KestraAuth(credentials)
        self._failures = Failures(credentials.url, self._auth.redact)
        self._timeouts = timeouts
        self._verify = verify
        self._max_answer = max_answer
        self._user_agent = user_agent
        self._sessions = SessionPool(self._new_session)
        self._pressure = Pressure()
        self._environment: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def send(self, request: Request) -> Answer:
        """The answer to ``request``, if it is not an error.

        :raises KestraError: whatever went wrong, see :mod:`kestra_sync.kestra.errors`.
        """
        attempt = 0
        while True:
            retry = _Retry(possible=attempt < self.backoff.retries)
            answer = self._attempt(request, retry)
            if answer is not None:
                return answer
            self.backoff.wait(attempt, retry.after)
            attempt += 1

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        """The body of the answer as it arrives, once, without another attempt.

        :raises KestraError: before or while it is read; a broken stream is ``Unreachable``.
        """
        started = time.monotonic()
        with self._sessions.lend() as session:
            try:
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
        # Chunks as they come; a stream without them would otherwise be read to its end first.
        chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        try:
            yield from response.iter_content(None if chunked else 1)
        except requests.RequestException as error:
            raise self._failures.unreachable(error) from error

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.headers["User-Agent"] = self._user_agent
        return session

    def _attempt(self, request: Request, retry: _Retry) -> Answer | None:
        """One attempt: an answer, ``None`` for another attempt, or the exception."""
        with self._pressure.turn():
            started = time.monotonic()
            try:
                with self._sessions.lend() as session:
                    response = self._exchange(session, request)
                    body = self._body(request, response)
            except requests.RequestException as error:
                self._log(request, describe(error), started)
                if (
                    retry.possible
                    and worth_a_retry(error)
                    and (request.repeatable or never_sent(error))
                    and not (request.replaceable and isinstance(error, requests.ReadTimeout))
                ):
                    return None
                raise self._failures.broken(request, error) from error
            self._tell(request, response.status_code, time.monotonic() - started)
        self._log(request, response.status_code, started)
        return self._judge(request, response, body, retry)

    def _tell(self, request: Request, status: int, seconds: float) -> None:
        """Let it be known how the server bears up. Only writes of flows are much alike."""
        if status in {429, 503}:
            self._pressure.refused(status)
        else:
            alike = request.content_type == YAML and not request.repeatable
            self._pressure.answered(request.method if alike else None, seconds)

    def _judge(
        self, request: Request, response: requests.Response, content: bytes | mmap, retry: _Retry
    ) -> Answer | None:
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
                file=None if isinstance(content, bytes) else content,
            )
            if status >= 300:
                raise answer.unexpected("nowhere to go")
            if answer.write and looks_like_html(body, content_type):
                # A login form, most likely: "200" says nothing about the write.
                raise answer.unexpected(describe_html(body))
            return answer
        if status == 429 or status in GATEWAY or (status == 500 and request.unsettled):
            retry.after = self.backoff.retry_after(response.headers.get("Retry-After"))
            turned_away = status == 429 and retry.after is not None
            too_slow = status == 504 and request.replaceable
            if retry.possible and (request.repeatable or turned_away) and not too_slow:
                return None
        raise self._failures.answered(request, status, content_type, body)

    def _exchange(self, session: requests.Session, request: Request) -> requests.Response:
        """Send, and follow redirects of reads; the body is not read yet."""
        url = self.url + request.target
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send_once(session, request, url)
            location = response.headers.get("Location")
            if response.status_code not in {301, 302, 303, 307, 308} or location is None:
                return response
            response.close()
            url = urljoin(url, location)
            self._check_redirect(request, url)
        raise UnexpectedAnswer(f"{request.method} {request.path}: redirected in circles")

    def _send_once(
        self, session: requests.Session, request: Request, url: str
    ) -> requests.Response:
        headers = {"Accept": request.accept, **request.headers}
        if request.content_type is not None:
            headers["Content-Type"] = request.content_type
        read = self._timeouts.read if request.read_timeout is None else request.read_timeout
        try:
            prepared = session.prepare_request(
                requests.Request(
                    request.method, url, data=request.body, headers=headers, auth=self._auth
                )
            )
            return session.send(
                prepared,
                timeout=(self._timeouts.connect, read),
                allow_redirects=False,
                **self._surroundings(session, url),
            )
        except (requests.exceptions.InvalidURL, LocationParseError, UnicodeError) as error:
            # What only the resolver finds out, such as a label that is too long.
            raise Unreachable(f"{self.url}: this cannot be the address of a server") from error

    def _surroundings(self, session: requests.Session, url: str) -> dict[str, Any]:
        """Proxies and certificates as the environment wants them: asked for once for each server.

        ``Session.request`` looks through all variables for every single request.
        """
        origin = "/".join(url.split("/", 3)[:3])
        found = self._environment.get(origin)
        if found is None:
            found = dict(session.merge_environment_settings(url, {}, True, self._verify, None))
            self._environment[origin] = found
        return found

    def _check_redirect(self, request: Request, url: str) -> None:
        """Only GET is followed: elsewhere ``requests`` would make a GET of a POST."""
        parts = urlsplit(url)
        if request.method != "GET" or parts.scheme not in {"http", "https"}:
            base = without_userinfo(url).split("?", 1)[0].removesuffix(request.path)
            raise UnexpectedAnswer(
                f"{request.method} {request.path}: the server sends us to {clean(base)}",
                remedy="give the URL to which it redirects as the Kestra URL",
            )
        if not same_origin(url, self.url):
            LOG.debug("redirected to another server, without credentials")

    def _body(self, request: Request, response: requests.Response) -> bytes | mmap:
        spool = SPOOL if request.large and response.status_code < 400 else None
        try:
            return read_body(response, self._max_answer, spool)
        except BodyTooLargeError:
            raise UnexpectedAnswer(
                f"{request.method} {request.path}: the answer is over {self._max_answer} bytes",
                may_have_written=not request.repeatable,
            ) from None

    def _log(self, request: Request, outcome: object, started: float) -> None:
        # Neither query nor headers nor bodies: they may hold what is not for a log.
        milliseconds = (time.monotonic() - started) * 1000
        LOG.debug("%s %s %s %.0f ms", request.method, request.path, outcome, milliseconds)


def _in_memory(content: bytes | mmap) -> bytes:
    """What was not put into a file: errors never are."""
    return content if isinstance(content, bytes) else b""


@dataclass
class _Retry:
    """Whether there may be another attempt, and when the server wants it."""

    possible: bool
    after: float | None = None
