"""Keeps secrets out of messages and logs, whatever path they took to get there."""

from __future__ import annotations

import os
import re

_SECRET_VARIABLES = ("KESTRA_TOKEN", "KESTRA_PASSWORD")
_URL_CREDENTIALS = re.compile(r"(?P<scheme>https?://)[^/\s@]+@")


def redact(text: str) -> str:
    """``text`` with passwords, tokens and credentials in URLs replaced by ``***``."""
    for name in _SECRET_VARIABLES:
        secret = os.environ.get(name, "")
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    return _URL_CREDENTIALS.sub(r"\g<scheme>***@", text)
