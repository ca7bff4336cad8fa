"""The server's base URL, from whatever people paste."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kestra_sync.errors import UsageError

# What follows the base when somebody copies it from the browser or from API documentation.
_TAIL = re.compile(r"(/api(/v1(/.*)?)?|/ui(/.*)?)$")
_USERINFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)?[^/?#]*@")


@dataclass(frozen=True)
class Address:
    """A base URL without credentials, and the credentials that stood in it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def without_userinfo(text: str) -> str:
    """``text`` as it may be shown: an URL's ``user:password@`` taken out."""
    return _USERINFO.sub(lambda match: match.group(1) or "", text)


def parse_address(text: str) -> Address:
    """``https://me:pw@host/kestra/ui/main/flows`` is ``https://host/kestra``, me and pw.

    :raises UsageError: no ``http://`` or ``https://``, no host, a port that is none.
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
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"the Kestra URL cannot be understood: {shown}") from None
    if not host or re.search(r"\s", text):
        raise UsageError(f"the Kestra URL cannot be understood: {shown}")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    path = _TAIL.sub("", parts.path.rstrip("/")).rstrip("/")
    return Address(
        url=f"{parts.scheme.lower()}://{netloc}{path}",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
