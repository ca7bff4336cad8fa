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
"""Characters of the name of a large file: the rest of 80 is for its bar."""
_PAUSE = 10.0
"""Seconds between two lines about the bytes of large files."""


@dataclass(eq=False)
class PlainProgress(Observer):
    """A line for each flow that was written: what a log of CI should hold.

    :param clock: seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _told: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """A line every ten seconds, of whichever file it is then."""
        with self._lock:
            now = self.clock()
            if self._told is None:
                self._told = now
            if now - self._told < _PAUSE:
                return
            self._told = now
        amount = f"{_megabytes(done)} of {_megabytes(total)}" if total else _megabytes(done)
        sys.stderr.write(f"...  {visible(name)} {amount} MB\n")
        sys.stderr.flush()

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """One line on stderr, in one write, since threads share the stream."""
        sys.stderr.write(f"{'ok  ' if ok else 'FAIL'} {visible(f'{flow_id} {words}')}\n")
        sys.stderr.flush()

    def note(self, message: str) -> None:
        """One line on stderr."""
        sys.stderr.write(f"note: {visible(message)}\n")


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f}"


class TerminalProgress(Observer):
    """A spinner while reading, a bar while writing, and the line of each flow above it.

    A large file has a bar of its own, by bytes.
    """

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._transfers: dict[str, TaskID] = {}

    def stage(self, name: str) -> None:
        """A spinner with the name of what is being done."""
        self._show(name, total=None)

    def begin(self, total: int) -> None:
        """A bar that fills with each write."""
        self._show("writing", total=total)

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """One step of the bar; failures are shown at once."""
        with self._lock:
            if self._progress is None or self._task is None:
                return
            if not ok:
                self._progress.console.print(visible(f"{flow_id} {words}"), markup=False)
            self._progress.advance(self._task)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """A bar of its own, which goes away when all bytes have moved."""
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
        """Take the bar away."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = self._task = None
            self._transfers.clear()

    def note(self, message: str) -> None:
        """One line above the bar."""
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
    """Name, bar and amount of a row; a spinner alone has only its name."""
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
