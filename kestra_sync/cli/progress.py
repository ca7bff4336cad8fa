"""Progress on stderr, for terminals and for logs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kestra_sync.cli.streams import can_draw
from kestra_sync.model import FlowId
from kestra_sync.observer import Observer
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task, TaskID


_NAME = 26
"""The maximum length of the name of a large file: the rest of 80 columns is for its bar."""
_PAUSE = 10.0
"""Seconds between two lines about the transfer of large files."""


@dataclass(eq=False)
class PlainProgress(Observer):
    """Prints one line per written flow, for the logs of CI.

    :param clock: returns seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _last_line: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """Print a line every ten seconds, about the file that is being transferred."""
        with self._lock:
            now = self.clock()
            if self._last_line is None:
                self._last_line = now
            if now - self._last_line < _PAUSE:
                return
            self._last_line = now
        amount = f"{_megabytes(done)} of {_megabytes(total)}" if total else _megabytes(done)
        sys.stderr.write(f"...  {visible(name)} {amount} MB\n")
        sys.stderr.flush()

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """Print one line in a single write, since threads share the stream."""
        sys.stderr.write(f"{'ok  ' if ok else 'FAIL'} {visible(f'{flow_id} {words}')}\n")
        sys.stderr.flush()

    def note(self, message: str) -> None:
        """Print one line on stderr."""
        sys.stderr.write(f"note: {visible(message)}\n")


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f}"


class TerminalProgress(Observer):
    """Shows a spinner while reading, a bar while writing, and failures above it.

    Large files have their own bars, in bytes.
    """

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._transfers: dict[str, TaskID] = {}

    def stage(self, name: str) -> None:
        """Show a spinner with the name of the stage."""
        self._show(name, total=None)

    def begin(self, total: int) -> None:
        """Show a bar that advances with each write."""
        self._show("writing", total=total)

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """Advance the bar; failures are shown immediately."""
        with self._lock:
            if self._progress is None or self._task is None:
                return
            if not ok:
                self._progress.console.print(visible(f"{flow_id} {words}"), markup=False)
            self._progress.advance(self._task)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """Show a bar for the file until it is complete."""
        with self._lock:
            if self._progress is None:
                return
            if name not in self._transfers:
                shown = visible(name)
                if len(shown) > _NAME:
                    cut = "…" if can_draw(sys.stderr) else "..."
                    shown = cut + shown[len(cut) - _NAME :]
                self._transfers[name] = self._progress.add_task(
                    f"  {shown}", total=total, size=True
                )
            task = self._transfers[name]
            self._progress.update(task, completed=done, total=total)
            if done == total:
                self._progress.remove_task(self._transfers.pop(name))

    def end(self) -> None:
        """Remove the bar."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = self._task = None
            self._transfers.clear()

    def note(self, message: str) -> None:
        """Print one line above the bar."""
        sys.stderr.write(f"note: {visible(message)}\n")

    def _show(self, description: str, *, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn

        columns = [SpinnerColumn("dots" if can_draw(sys.stderr) else "line"), *_columns()]
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            console = Console(
                file=sys.stderr, force_terminal=True, no_color=not self._colour, highlight=False
            )
            self._progress = Progress(*columns, console=console, transient=True)
            self._task = self._progress.add_task(description, total=total)
            self._transfers.clear()
            self._progress.start()


def _columns() -> Iterator[ProgressColumn]:
    """Return the columns: name, bar and amount; a spinner has only a name."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Bar(BarColumn):
        def render(self, task: Task) -> Any:
            has_one = task.total is not None or task.fields.get("size")
            return super().render(task) if has_one else Text("")

    class Amount(ProgressColumn):
        max_refresh = 0.1

        def render(self, task: Task) -> Text:
            if task.fields.get("size"):
                return Text(" ").join([amount.render(task), speed.render(task)])
            return Text("") if task.total is None else count.render(task)

    count, amount, speed = MofNCompleteColumn(), DownloadColumn(), TransferSpeedColumn()
    yield TextColumn("{task.description}", markup=False)
    yield Bar(20)
    yield Amount()
