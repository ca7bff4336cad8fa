"""Suggestions for unknown names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the closest match for ``word`` in ``known``; ``None`` if there is none."""
    by_plain = {plain(each): each for each in known}
    found = get_close_matches(plain(word), by_plain, n=1, cutoff=0.7)
    return by_plain[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a suggestion as a remedy, such as ``did you mean `message`?``."""
    suggestion = closest(word, known)
    return None if suggestion is None else f"did you mean `{suggestion}`?"


def plain(name: str) -> str:
    """Normalize spellings such as ``requireLabels``, ``require-labels``, ``require_labels``."""
    return re.sub(r"[-_ .]", "", name).lower()
