"""The text of a result: sections, each for one of the two streams.

A terminal shows them one by one, ``-o text`` all of them in a row: there is one text of a plan, of
an apply, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from kestra_sync.report.lines import Line


class StandardStream(Enum):
    """Where a section goes."""

    RESULT = "stdout"
    MESSAGE = "stderr"


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    lines: tuple[Line, ...]
    stream: StandardStream = StandardStream.RESULT


Sections = tuple[Section, ...]


def section(lines: Iterable[Line], stream: StandardStream = StandardStream.RESULT) -> Section:
    """A section of ``lines``, which may be made on the way."""
    return Section(tuple(lines), stream)


def message(lines: Iterable[Line]) -> Section:
    """Messages about a result that are not part of it."""
    return Section(tuple(lines), StandardStream.MESSAGE)
