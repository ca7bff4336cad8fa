"""An answer of the server, read to its end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

from kestra_sync.kestra.errors import UnexpectedAnswer
from kestra_sync.kestra.problems import describe_html, looks_like_html


@dataclass(frozen=True)
class Answer:
    """Status and body of an answer that is not an error.

    :param write: whether it answers a call that changes the server.
    :param file: the body where it is too large for the memory; ``body`` is empty then.
    """

    method: str
    path: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    write: bool = False
    file: mmap | None = field(default=None, repr=False)

    @property
    def content(self) -> bytes | mmap:
        """The body, wherever it is."""
        return self.body if self.file is None else self.file

    def json(self) -> Any:
        """The body as JSON; ``None`` for an empty one.

        :raises UnexpectedAnswer: it is something else.
        """
        if not self.body.strip():
            return None
        if looks_like_html(self.body, self.content_type):
            raise self.unexpected(describe_html(self.body))
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise self.unexpected("something that is not JSON") from None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object.

        :raises UnexpectedAnswer: it is something else.
        """
        data = self.json()
        if not isinstance(data, dict):
            raise self.unexpected("JSON that is not an object")
        return data

    def list(self) -> list[Any]:
        """The body as a JSON list.

        :raises UnexpectedAnswer: it is something else.
        """
        data = self.json()
        if not isinstance(data, list):
            raise self.unexpected("JSON that is not a list")
        return data

    def unexpected(self, what: str) -> UnexpectedAnswer:
        """The exception for an answer that holds ``what`` and should not."""
        return UnexpectedAnswer(
            f"{self.method} {self.path}: {self.status} with {what}",
            remedy="check that the URL is that of Kestra itself, and what lies in between",
            may_have_written=self.write,
        )
