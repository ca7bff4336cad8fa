"""Compares output with the reviewed files in ``tests/golden/``.

``UPDATE_GOLDEN=1 pytest tests/unit/report`` updates them; review the difference before you commit
it.
"""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Fail unless ``text`` equals the content of ``tests/golden/<name>``."""
    path = _FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return
    assert path.exists(), f"{path} is missing: run with UPDATE_GOLDEN=1, and look at it"
    # Bytes, so that carriage returns and the newline at the end count.
    assert text.encode() == path.read_bytes(), f"{name} differs: UPDATE_GOLDEN=1 updates it"
