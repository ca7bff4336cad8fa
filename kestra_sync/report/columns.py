"""Columns that line up on a terminal, where some characters are two cells wide and some none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from kestra_sync.safe.text import visible

#: A column is not wider than this; what is longer stands out in its own row alone.
_WIDEST = 64


def cells(text: str) -> int:
    """How many cells of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def padded(text: str, width: int) -> str:
    """``text`` as it will be shown, filled up with blanks to ``width`` cells."""
    shown = visible(text)
    return shown + " " * (width - cells(shown))


def width_of(texts: Iterable[str]) -> int:
    """The width of a column that holds ``texts``."""
    widths = [cells(visible(text)) for text in texts]
    return max((each for each in widths if each <= _WIDEST), default=min([*widths, _WIDEST]))
