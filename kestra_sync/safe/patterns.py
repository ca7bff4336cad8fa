"""Runs regular expressions of users with a time limit.

``re`` takes exponential time for some of them, holds the global interpreter lock (so the lock of an
apply expires, because it is not renewed), and blocks signals. So ``regex`` is used, which has a
timeout and releases the interpreter lock.
"""

from __future__ import annotations

import importlib
import re
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

from kestra_sync.errors import UsageError

if TYPE_CHECKING:
    import regex

SECONDS = 1.0
"""Time limit in seconds for one text."""
BUDGET = 5.0
"""Time limit in seconds for all texts of one pattern."""
MAX_LENGTH = 1000
"""Maximum length of a pattern."""
_MOST_REPEATED = 50_000
"""Maximum size after expanding repetitions, as in ``(a{1000}){1000}``."""
_SHOWN = 60


class PatternError(ValueError):
    """The text is not a valid regular expression.

    :param position: the position of the error, from 0, if known.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        at = "" if position is None else f" at position {position}"
        super().__init__(f"{message}{at}")
        self.position = position


class SlowPatternError(UsageError):
    """A pattern takes too long (exit 64)."""


class Pattern:
    """A regular expression as in Python's ``re``.

    :param shown: how to show it in messages; set if it was converted from another kind of pattern,
        which may be longer.
    :raises PatternError: it is not valid, or too large.
    """

    def __init__(
        self,
        text: str,
        *,
        shown: str | None = None,
        seconds: float = SECONDS,
        budget: float = BUDGET,
    ) -> None:
        self.text = text
        self._shown = shown or text
        self._seconds = seconds
        self._left = budget
        self._compiled = _compiled(text, MAX_LENGTH if shown is None else 10 * MAX_LENGTH)

    def search(self, text: str) -> regex.Match[str] | None:
        """Return the first match in ``text``.

        :raises SlowPatternError: it takes too long.
        """
        return self._run("search", text)

    def match(self, text: str) -> regex.Match[str] | None:
        """Return the match at the start of ``text``.

        :raises SlowPatternError: it takes too long.
        """
        return self._run("match", text)

    def fullmatch(self, text: str) -> regex.Match[str] | None:
        """Return the match of the whole ``text``.

        :raises SlowPatternError: it takes too long.
        """
        return self._run("fullmatch", text)

    def _run(self, how: str, text: str) -> regex.Match[str] | None:
        started = time.monotonic()
        limit = max(0.01, min(self._seconds, self._left))
        try:
            found: regex.Match[str] | None = getattr(self._compiled, how)(
                text, timeout=limit, concurrent=True
            )
        except (TimeoutError, MemoryError):
            self._left = 0.0
            shown = self._shown if len(self._shown) <= _SHOWN else f"{self._shown[:_SHOWN]}…"
            raise SlowPatternError(
                f"the pattern `{shown}` takes too long",
                remedy="use fewer repetitions, and do not nest them as in (a+)+",
            ) from None
        self._left -= time.monotonic() - started
        return found


def _compiled(text: str, max_length: int) -> regex.Pattern[str]:
    import regex

    if len(text) > max_length:
        raise PatternError(f"it is longer than {max_length} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sets whose meaning may change
            parsed = _parser().parse(text)
            if _weight(parsed) > _MOST_REPEATED:
                raise PatternError("too many repetitions")
            # `re` has better error messages.
            re.compile(text)
            return regex.compile(text)
    except PatternError:
        raise
    except re.error as error:
        raise PatternError(error.msg, error.pos) from None
    except regex.error as error:
        raise PatternError(str(error)) from None
    except (OverflowError, RecursionError, MemoryError):
        raise PatternError("it is too large") from None


def _parser() -> Any:
    return importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


def _weight(node: Any) -> int:
    """Return the expanded size of ``node``, which the parser of ``re`` returned."""
    parser = _parser()
    total = 0
    for operation, argument in node:
        if "REPEAT" in str(operation):
            least, most, inner = argument
            times = max(1, least) if most == parser.MAXREPEAT else max(1, most)
            total += times * max(1, _weight(inner))
        else:
            total += max(1, sum(map(_weight, _inner(argument))))
    return total


def _inner(argument: Any) -> list[Any]:
    """Return the sequences in an argument, at any depth."""
    if isinstance(argument, _parser().SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [each for item in argument for each in _inner(item)]
    return []
