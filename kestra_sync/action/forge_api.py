"""Calls to GitHub or GitLab, with the same rules as all HTTP requests.

Built on :class:`~kestra_sync.client.transport.Transport`: TLS is verified, redirects to another
host lose the token, reads are repeated, answers are limited, nothing secret is logged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kestra_sync.client.answer import Answer
from kestra_sync.client.connection import Timeouts
from kestra_sync.client.credentials import Credentials
from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.client.request import JSON, Request, query
from kestra_sync.client.retry import Backoff
from kestra_sync.client.transport import Transport
from kestra_sync.version import __version__

#: The maximum page size of both forges.
PER_PAGE = 100
_MOST_PAGES = 50
_MAX_ANSWER = 64 * 1024 * 1024


class ForgeApi:
    """A client for one forge with one token.

    :param headers: on every request.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
        backoff: Backoff = Backoff(retries=2),  # noqa: B008 - frozen
    ) -> None:
        self._accept = accept
        self._headers = dict(headers or {})
        self._transport = Transport(
            Credentials(url=url.rstrip("/"), token=token),
            user_agent=f"kestra-sync/{__version__}",
            timeouts=Timeouts(connect=10.0, read=30.0),
            backoff=backoff,
            max_answer=_MAX_ANSWER,
        )

    def get(self, path: str, **parameters: object) -> dict[str, Any]:
        """Get an object.

        :raises KestraError: for any failure.
        """
        return self._send("GET", path, query(*parameters.items())).object()

    def pages(self, path: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """Get all items of a list, page by page.

        :raises KestraError: for any failure.
        """
        for page in range(1, _MOST_PAGES + 1):
            pairs = query(*parameters.items(), ("per_page", PER_PAGE), ("page", page))
            found = self._send("GET", path, pairs).list()
            yield from (each for each in found if isinstance(each, dict))
            if len(found) < PER_PAGE:
                return

    def send(self, method: str, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Write an object, and return the result.

        :raises KestraError: for any failure.
        """
        return self._send(method, path, body=json.dumps(document).encode()).object()

    def delete(self, path: str) -> None:
        """Remove an object.

        :raises KestraError: for any failure.
        """
        self._send("DELETE", path)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _send(
        self,
        method: str,
        path: str,
        parameters: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
    ) -> Answer:
        return self._transport.send(
            Request(
                method,
                path,
                query=parameters,
                body=body,
                content_type=None if body is None else JSON,
                headers=self._headers,
                accept=self._accept,
            )
        )


def text_of(document: object, name: str) -> str:
    """Return a member of a response; ``""`` if it is not text."""
    value = document.get(name) if isinstance(document, Mapping) else None
    return value if isinstance(value, str) else ""


def number_of(document: Mapping[str, Any], name: str) -> int:
    """Return a number in a response.

    :raises UnexpectedAnswer: there is none.
    """
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnexpectedAnswer(f"the response has no integer {name!r}")
    return value
