"""Progress of smoke tests, for every command that runs them."""

from __future__ import annotations

import os
import sys

from kestra_sync.cli.output import Output
from kestra_sync.cli.progress import PlainProgress
from kestra_sync.model import FlowId
from kestra_sync.observer import Observer


class _Count(PlainProgress):
    """Only how many there are: the result on stdout, in the same log, has a line for each."""

    def begin(self, total: int) -> None:
        self.note(f"running {total} smoke test{'' if total == 1 else 's'}")

    def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
        pass


def smoke_progress(output: Output) -> Observer:
    """A row per execution on a terminal; elsewhere one line per test."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from kestra_sync.cli.smoke_progress import TerminalSmokeProgress

        return TerminalSmokeProgress(colour=output.coloured(sys.stderr))
    return _Count() if output.readable else output.observer()
