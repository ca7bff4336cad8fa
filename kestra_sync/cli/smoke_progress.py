"""Progress of smoke tests: a row for each running execution on a terminal, else a line."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from kestra_sync.cli.output import Output
from kestra_sync.cli.progress import PlainProgress
from kestra_sync.cli.streams import can_draw
from kestra_sync.commands.smoke import SmokeObserver, SmokeRun, SmokeSpec
from kestra_sync.model import FlowId
from kestra_sync.observer import Observer
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class TerminalSmokeProgress(SmokeObserver):
    """Shows a row for each running execution; the result is printed after they are removed."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._specs: tuple[SmokeSpec, ...] = ()
        self._rows: dict[int, TaskID] = {}
        self._total: TaskID | None = None

    def smoke_begin(self, specs: tuple[SmokeSpec, ...]) -> None:
        """Show a row with the count above those of the executions."""
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(
            file=sys.stderr, force_terminal=True, no_color=not self._colour, highlight=False
        )
        with self._lock:
            self._specs = specs
            self._progress = Progress(
                SpinnerColumn("dots" if can_draw(sys.stderr) else "line"),
                TextColumn("{task.description}", markup=False),
                TextColumn("{task.fields[words]}", markup=False),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            self._total = self._progress.add_task("smoke tests", words=f"0 of {len(specs)}")
            self._progress.start()

    def smoke_running(self, index: int, words: str) -> None:
        """Show or update the row of an execution."""
        with self._lock:
            if self._progress is None:
                return
            if index not in self._rows:
                title = visible(self._specs[index].title)
                self._rows[index] = self._progress.add_task(f"  {title}", words="")
            self._progress.update(self._rows[index], words=visible(words))

    def smoke_done(self, index: int, run: SmokeRun) -> None:  # noqa: ARG002 - for the table
        """Remove the row of the execution."""
        with self._lock:
            if self._progress is None or self._total is None:
                return
            row = self._rows.pop(index, None)
            if row is not None:
                self._progress.remove_task(row)
            self._progress.advance(self._total)
            done = int(self._progress.tasks[0].completed)
            self._progress.update(self._total, words=f"{done} of {len(self._specs)}")

    def smoke_end(self) -> None:
        """Remove all rows."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = None
            self._rows.clear()

    def note(self, message: str) -> None:
        """Print one line above the rows."""
        sys.stderr.write(f"note: {visible(message)}\n")


class _Count(PlainProgress):
    """Prints only the number of tests: the result in the same log has a line for each."""

    def begin(self, total: int) -> None:
        self.note(f"running {total} smoke test{'' if total == 1 else 's'}")

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        pass


def smoke_progress(output: Output) -> Observer:
    """A row per execution on a terminal; elsewhere one line per test."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalSmokeProgress(colour=output.coloured(sys.stderr))
    return _Count() if output.readable else output.observer()
