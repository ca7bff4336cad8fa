"""The elements of text reports, independent of terminals: styled lines, columns, sections.

A section of a result goes to one of the two streams. A terminal shows the sections one by one,
``-o text`` all of them in a row: there is one text of a plan, of an apply, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

from kestra_sync.safe.text import no_command, visible


class Style(str, Enum):
    """What a piece of text means; the colours are chosen here and nowhere else."""

    PLAIN = ""
    HEADING = "bold"
    DIM = "dim"
    CREATE = "green"
    UPDATE = "yellow"
    DELETE = "red"
    ALERT = "magenta"
    ERROR = "bold red"
    WARNING = "bold yellow"
    GOOD = "bold green"


@dataclass(frozen=True)
class Span:
    """A piece of a line. Whatever it is made from, its text is safe to print."""

    text: str
    style: Style = Style.PLAIN

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


@dataclass(frozen=True)
class Line:
    """One line of a report, without its line end."""

    spans: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """The line without colours, safe for a log of CI."""
        return no_command("".join(span.text for span in self.spans).rstrip())


def line(*parts: str | Span) -> Line:
    """A line of plain strings and spans."""
    return Line(tuple(part if isinstance(part, Span) else Span(part) for part in parts))


BLANK = Line()


def write(lines: Iterable[Line], stream: TextIO, *, colour: bool) -> None:
    """Write ``lines``; with ``colour`` as ANSI, else as plain text that reads the same."""
    if not colour:
        stream.writelines(f"{each.text}\n" for each in lines)
        return
    # Only a terminal pays for the import.
    from rich.console import Console
    from rich.text import Text

    # Whether there is colour was decided; rich must not look at NO_COLOR and TERM once more.
    console = Console(
        file=stream,
        force_terminal=True,
        color_system="standard",
        no_color=False,
        legacy_windows=False,
        soft_wrap=True,
        highlight=False,
    )
    for each in lines:
        text = Text()
        for span in each.spans:
            text.append(span.text, style=span.style.value or None)
        text.rstrip()
        console.print(text)


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


#: A column is not wider than this; what is longer stands out in its own row alone.
_WIDEST = 64


def cells(text: str) -> int:
    """How many cells of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # most texts are ASCII

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """``text`` as it will be shown, filled up with blanks to ``width`` cells."""
    shown = visible(text)
    return shown + " " * (width - cells(shown))


def width_of(texts: Iterable[str]) -> int:
    """The width of a column that holds ``texts``."""
    widths = [cells(visible(text)) for text in texts]
    return max((each for each in widths if each <= _WIDEST), default=min([*widths, _WIDEST]))
