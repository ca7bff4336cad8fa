"""A complete response of the server: its limits, its JSON, and the error message in it."""

from __future__ import annotations

import gzip
import json
import logging
import mmap
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.model import FlowId
from kestra_sync.resources import Content, LargeContent
from kestra_sync.safe.text import harmless

LOG = logging.getLogger("kestra_sync.http")
_REFUSED = frozenset({400, 415})
_MISUNDERSTOOD = frozenset({406, 422, 501})
"""Statuses of a server that takes the compressed bytes for the content itself."""
_COST = len("Content-Encoding: gzip\r\n")


_LONG = 64 * 1024
"""Bytes above which speed matters more than size: records of some hundred flows."""


class Compression:
    """Decides whether bodies are compressed, for one server. Safe to share between threads."""

    def __init__(self) -> None:
        self._understood = False
        self._refused = False

    def pack(self, body: bytes) -> bytes | None:
        """Return ``body`` compressed; ``None`` if it should be sent as it is."""
        if self._refused:
            return None
        # A body that cannot fit into one read of the server is not worth compressing.
        packed = gzip.compress(body, compresslevel=9 if len(body) < _LONG else 1, mtime=0)
        return packed if len(packed) + _COST < len(body) else None

    def doubtful(self, status: int) -> bool:
        """Return whether ``status``, the response to a compressed body, may be due to compression.

        If so, nothing was written, and the request can be sent again with the plain body.
        """
        if status < 400:
            self._understood = True
        return status in _REFUSED or (not self._understood and status in _MISUNDERSTOOD)

    def settle(self, packed: int, plain: int) -> None:
        """Compare both responses; if the plain body was accepted, stop compressing."""
        if packed != plain and plain < 500 and plain != 429 and not self._refused:
            self._refused = True
            LOG.info(
                "the server rejects compressed bodies (%d): sending them uncompressed from now on",
                packed,
            )


MAX_MESSAGE = 4000
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def clean(text: str) -> str:
    """Return ``text`` made safe to display, and trimmed to a reasonable length."""
    text = harmless(text.strip())
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def looks_like_html(body: bytes, content_type: str = "") -> bool:
    """Return whether this is an HTML page, such as a proxy's error or a login form."""
    if "html" in content_type.lower():
        return True
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def might_be_of_kestra(body: bytes, content_type: str = "") -> bool:
    """Return whether this error can come from Kestra, whose errors are JSON or empty."""
    text = body.strip()
    return not text or (not looks_like_html(body, content_type) and text[:1] in b'{["')


def html_title(body: bytes) -> str:
    """Return the title of an HTML page, or ``""``."""
    match = _TITLE.search(body[:20_000].decode("utf-8", errors="replace"))
    if match is None:
        return ""
    import html  # its table of names is large, and such pages are rare

    return clean(" ".join(html.unescape(match.group(1)).split()))[:200]


def describe_html(body: bytes) -> str:
    """``an HTML page ("Bad Gateway")``."""
    title = html_title(body)
    return f'an HTML page ("{title}")' if title else "an HTML page"


def message_of(body: bytes, content_type: str = "") -> str:
    """Return the server's own message; ``""`` if there is none. Never raises."""
    if not body.strip():
        return ""
    if looks_like_html(body, content_type):
        return describe_html(body)
    text = body.decode("utf-8", errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return clean(text)[:500]
    return clean("; ".join(_unique(_messages(data))))


def _messages(data: Any) -> Iterable[str]:
    if isinstance(data, str):
        yield data
    if not isinstance(data, dict):
        return
    # RFC 7807: `title` is the type of the problem, `detail` describes this occurrence.
    for key in ("detail", "message"):
        if isinstance(data.get(key), str):
            yield data[key]
    if not isinstance(data.get("detail"), str) and isinstance(data.get("title"), str):
        yield data["title"]
    embedded = data.get("_embedded")
    for container in (data, embedded if isinstance(embedded, dict) else {}):
        for key in ("errors", "violations"):
            entries = container.get(key)
            for entry in entries if isinstance(entries, list) else []:
                yield from _messages(entry)


def _unique(messages: Iterable[str]) -> list[str]:
    """Remove duplicates: Kestra repeats messages in ``message`` and ``errors``."""
    found: list[str] = []
    for message in messages:
        text = message.strip()
        if text and not any(text in other for other in found):
            found = [other for other in found if other not in text]
            found.append(text)
    return found


NOT_KESTRA_REMEDY = "check that the URL points to Kestra itself, and check any proxy in between"


@dataclass(frozen=True)
class Answer:
    """Status and body of a response that is not an error.

    :param write: whether it is the response to a call that changes the server.
    :param file: the body if it is too large for memory; ``body`` is empty then.
    :param stored: the same for a response that is kept as large content.
    """

    method: str
    path: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    write: bool = False
    file: mmap.mmap | None = field(default=None, repr=False)
    stored: LargeContent | None = field(default=None, repr=False)

    @property
    def content(self) -> bytes | mmap.mmap:
        """Return the body, from memory or from the file."""
        return self.body if self.file is None else self.file

    @property
    def whole(self) -> Content:
        """The body of a response that was not mapped."""
        return self.body if self.stored is None else self.stored

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
            raise self.unexpected(f"{_kind_of(data)}, not a JSON object")
        return data

    def list(self) -> list[Any]:
        """The body as a JSON list.

        :raises UnexpectedAnswer: it is something else.
        """
        data = self.json()
        if not isinstance(data, list):
            raise self.unexpected(f"{_kind_of(data)}, not a JSON list")
        return data

    def unexpected(self, what: str) -> UnexpectedAnswer:
        """Return the exception for a response that unexpectedly has ``what``."""
        return UnexpectedAnswer(
            f"{self.method} {self.path}: {self.status} with {what}",
            remedy=NOT_KESTRA_REMEDY,
            may_have_written=self.write,
        )


def _kind_of(data: Any) -> str:
    """Return the JSON type of a response, without its content, which may be secret."""
    if data is None:
        return "null"
    kinds = {dict: "object", list: "list", str: "string", bool: "boolean"}
    return f"a JSON {kinds.get(type(data), 'number')}"


class _Ambiguous(ValueError):  # noqa: N818 - becomes an UnexpectedAnswer
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object, rejecting duplicate keys: parsers differ in which value they use."""
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


def flow_id_of(data: Any) -> FlowId | None:
    """Return namespace and id of an object, if it has both."""
    if not isinstance(data, dict):
        return None
    namespace, flow = data.get("namespace"), data.get("id")
    if isinstance(namespace, str) and isinstance(flow, str):
        return FlowId(namespace, flow)
    return None


def int_of(value: Any) -> int | None:
    """Return ``value`` if it is an integer, and not a boolean or a string."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_FRACTION = re.compile(r"\.(\d+)(?=[+-]|\Z)")


def time_of(value: Any) -> datetime | None:
    """Parse a time in a response, as UTC if it has no offset; ``None`` if it is not a time.

    Kestra writes nanoseconds without trailing zeros; Python 3.10 reads only 3 or 6 digits.
    """
    if not isinstance(value, str):
        return None
    text = value.replace("Z", "+00:00")
    try:
        found = datetime.fromisoformat(_FRACTION.sub(lambda it: f".{it[1][:6]:0<6}", text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the strings of a list; ``()`` for anything else."""
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))
