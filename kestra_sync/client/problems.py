"""What an error body says, from Kestra 1.x, Kestra 2.0 (RFC 7807) or a proxy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from kestra_sync.safe.text import harmless

MAX_MESSAGE = 4000
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def clean(text: str) -> str:
    """``text`` as it may be shown, trimmed to a sane length."""
    text = harmless(text.strip())
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def looks_like_html(body: bytes, content_type: str = "") -> bool:
    """Whether this is a page for people: a proxy's error, a login form."""
    if "html" in content_type.lower():
        return True
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def might_be_of_kestra(body: bytes, content_type: str = "") -> bool:
    """Whether Kestra can have written this error: it answers JSON, or nothing."""
    text = body.strip()
    return not text or (not looks_like_html(body, content_type) and text[:1] in b'{["')


def html_title(body: bytes) -> str:
    """The title of a page, or ``""``."""
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
    """The server's own message, ``""`` if there is none. Never raises."""
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
    # RFC 7807: `title` is the kind, `detail` is what happened this time.
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
    """Without repetitions: Kestra says the same thing in ``message`` and in ``errors``."""
    found: list[str] = []
    for message in messages:
        text = message.strip()
        if text and not any(text in other for other in found):
            found = [other for other in found if other not in text]
            found.append(text)
    return found
