"""Styled lines, the elements of text reports, independent of terminals."""

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
