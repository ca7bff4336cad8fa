"""A complete response of the server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.client.problems import describe_html, looks_like_html

NOT_KESTRA_REMEDY = "check that the URL points to Kestra itself, and check any proxy in between"


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
            return json.loads(
                self.body,
                object_pairs_hook=_object,
                parse_float=_float,
                parse_constant=_refuse,
            )
        except _Ambiguous as error:
            raise self.unexpected(str(error)) from None
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
            remedy=NOT_KESTRA_REMEDY,
            may_have_written=self.write,
        )


class _Ambiguous(ValueError):  # noqa: N818 - becomes an UnexpectedAnswer
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no key has two values: readers differ in which they take."""
    found = dict(pairs)
    if len(found) != len(pairs) and any(found[key] != value for key, value in pairs):
        raise _Ambiguous("JSON with a duplicate key")
    return found


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Ambiguous("JSON with a number that is too large")
    return number


def _refuse(text: str) -> None:
    raise _Ambiguous(f"JSON with {text}, which is not a number")
