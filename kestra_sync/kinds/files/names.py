"""Checks that a file name is supported by every supported version of Kestra.

Kestra 1.x turns a space into ``+`` and rejects ``%`` and brackets; all versions turn ``\\`` into
``/``. Names that are rejected here would be stored under another name, or not at all.
"""

from __future__ import annotations

import unicodedata

_ASCII = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+&=;'")
_LONGEST = 255  # bytes of one component
_FLOWS = "_flows"


def problem(path: str) -> str | None:
    """Return why a file cannot be stored under ``path`` (with ``/``); ``None`` if it can."""
    parts = path.split("/")
    if parts[0] == _FLOWS:
        return "Kestra treats files below _flows/ as flows"
    for part in parts:
        if part in {"", ".", ".."}:
            return "not a valid path for a namespace file"
        if len(part.encode("utf-8", "surrogatepass")) > _LONGEST:
            return f"a part of its name is longer than {_LONGEST} bytes"
        bad = next((char for char in part if not _is_safe(char)), None)
        if bad == " ":
            return "its name has a space, which Kestra 1.x stores as '+'"
        if bad is not None:
            return f"its name has the character {bad!a}, which Kestra does not keep"
    return None


def _is_safe(char: str) -> bool:
    if char.isascii():
        return char in _ASCII
    return unicodedata.category(char)[0] in "LMN"
