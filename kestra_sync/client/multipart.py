"""Encodes multipart bodies. They are held in memory, so that a refused one can be sent again."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part of a form; a file if it has a file name."""

    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None


def encode_multipart(parts: Iterable[Part]) -> tuple[bytes, str]:
    """Body and content type. No parts at all make a body that is valid too."""
    boundary = f"kestra-sync-{secrets.token_hex(16)}"
    lines = [
        f"--{boundary}\r\n{_headers(part)}\r\n".encode() + part.data + b"\r\n" for part in parts
    ]
    lines.append(f"--{boundary}--\r\n".encode())
    return b"".join(lines), f"multipart/form-data; boundary={boundary}"


def _headers(part: Part) -> str:
    text = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        text += f'; filename="{_quoted(part.filename)}"'
    text += "\r\n"
    kind = part.content_type
    if kind is None and part.filename is not None:
        kind = "application/octet-stream"
    return f"{text}Content-Type: {kind}\r\n" if kind else text


def _quoted(text: str) -> str:
    """As browsers do it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
