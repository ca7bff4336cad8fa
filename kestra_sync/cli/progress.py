"""Progress on stderr, for terminals and for logs."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from kestra_sync.cli.streams import can_draw
from kestra_sync.model import FlowId
from kestra_sync.observer import Observer
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class PlainProgress(Observer):
    """A line for each flow that was written: what a log of CI should hold."""

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        """One line on stderr, in one write, since threads share the stream."""
        sys.stderr.write(f"{'ok  ' if ok else 'FAIL'} {visible(f'{flow_id} {words}')}\n")
        sys.stderr.flush()

    def note(self, message: str) -> None:
        """One line on stderr."""
        sys.stderr.write(f"note: {visible(message)}\n")


class TerminalProgress(Observer):
    """A spinner while reading, a bar while writing, and the line of each flow above it."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

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

    def end(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = self._task = None

    def note(self, message: str) -> None:
        """One line above the bar."""
        sys.stderr.write(f"note: {visible(message)}\n")

    def _show(self, description: str, *, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
        )

        columns = [
            SpinnerColumn("dots" if can_draw(sys.stderr) else "line"),
            TextColumn("{task.description}", markup=False),
        ]
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            console = Console(
                file=sys.stderr, force_terminal=True, no_color=not self._colour, highlight=False
            )
            bar = [BarColumn(), MofNCompleteColumn()] if total is not None else []
            self._progress = Progress(*columns, *bar, console=console, transient=True)
            self._task = self._progress.add_task(description, total=total)
            self._progress.start()
