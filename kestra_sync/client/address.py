"""The server's base URL, normalized from user input."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kestra_sync.errors import UsageError
from kestra_sync.safe.secrets import without_userinfo

# What follows the base if the URL is copied from the browser or from API documentation.
_TAIL = re.compile(r"(/api(/v1(/.*)?)?|/ui(/.*)?)$")


@dataclass(frozen=True)
class Address:
    """A base URL without credentials, and the credentials that stood in it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_address(text: str) -> Address:
    """``https://me:pw@host/kestra/ui/main/flows`` is ``https://host/kestra``, me and pw.

    :raises UsageError: no ``http://`` or ``https://``, no host, a bad port, an ``@`` in the path.
    """
    text = text.strip()
    shown = without_userinfo(text)
    if not re.match(r"https?://", text, re.IGNORECASE):
        if "://" in shown:
            raise UsageError(f"the Kestra URL must begin with http:// or https://: {shown}")
        raise UsageError(
            f"the Kestra URL has no scheme: {shown}",
            remedy=f"write http://{shown} or https://{shown}",
        )
    rest = text.partition("://")[2]
    end = re.search(r"[/?#\\]", rest)
    if end is not None and "@" in rest[end.end() :]:
        # `http://me:pa/ss@host` is a password with a slash: who reads it literally has the host
        # `me` and the port `pa`, and would send or show the rest.
        raise UsageError(
            f"the Kestra URL has an @ after a slash or another special character: {shown}",
            remedy="set KESTRA_USERNAME and KESTRA_PASSWORD instead, or percent-encode them",
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"the Kestra URL is not valid: {shown}") from None
    if not host or re.search(r"\s", text):
        raise UsageError(f"the Kestra URL is not valid: {shown}")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    path = _TAIL.sub("", parts.path.rstrip("/")).rstrip("/")
    return Address(
        url=f"{parts.scheme.lower()}://{netloc}{path}",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
