"""Text of others in our messages."""

from __future__ import annotations

import json


def quoted(text: str) -> str:
    """Text without what would break a line or speak to a terminal, and not too much of it."""
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return json.dumps(short, ensure_ascii=False)[1:-1].replace('\\"', '"')
