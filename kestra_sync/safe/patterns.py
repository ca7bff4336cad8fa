"""Regular expressions that people write, run with a limit.

``re`` takes exponential time for some of them, holds the interpreter's lock meanwhile (so the lock
of an apply expires, because its heartbeat stops), and blocks signals. So they are run by
``regex``, which takes a timeout and lets go of the interpreter.
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
"""For one text."""
BUDGET = 5.0
"""Seconds for all texts of one pattern."""
LONGEST = 1000
"""Characters of a pattern."""
_MOST_REPEATED = 50_000
"""``(a{1000}){1000}`` would be written out when it is compiled."""
_SHOWN = 60


class PatternError(ValueError):
    """It is not a regular expression.

    :param position: the position of the error, from 0, if known.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        at = "" if position is None else f" at position {position}"
        super().__init__(f"{message}{at}")
        self.position = position


class SlowPatternError(UsageError):
    """It takes too long (exit 64)."""


class Pattern:
    """A regular expression as in Python's ``re``.

    :param shown: what to call it in messages; given for one that was made from a pattern of another
        kind, which may be longer, too.
    :raises PatternError: it is not one, or too large a one.
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
        self._compiled = _compiled(text, LONGEST if shown is None else 10 * LONGEST)

    def search(self, text: str) -> regex.Match[str] | None:
        """The first place in ``text`` that it matches.

        :raises SlowPatternError: that takes too long to find out.
        """
        return self._run("search", text)

    def match(self, text: str) -> regex.Match[str] | None:
        """The match at the start of ``text``.

        :raises SlowPatternError: that takes too long to find out.
        """
        return self._run("match", text)

    def fullmatch(self, text: str) -> regex.Match[str] | None:
        """The match of all of ``text``.

        :raises SlowPatternError: that takes too long to find out.
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


def _compiled(text: str, longest: int) -> regex.Pattern[str]:
    import regex

    if len(text) > longest:
        raise PatternError(f"it is longer than {longest} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets that may mean something else one day
            parsed = _parser().parse(text)
            if _weight(parsed) > _MOST_REPEATED:
                raise PatternError("too many repetitions")
            # `re` says better what is wrong with it.
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
    """How many steps it has, written out; ``node`` is what the parser of ``re`` returns."""
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
    """The sequences in an argument, wherever they are."""
    if isinstance(argument, _parser().SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [each for item in argument for each in _inner(item)]
    return []
