"""Progress of smoke tests, for every command that runs them."""

from __future__ import annotations

import os
import sys

from kestra_sync.cli.output import Output
from kestra_sync.observer import Observer


def smoke_progress(output: Output) -> Observer:
    """A row for each execution on a terminal, a line for each test elsewhere."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from kestra_sync.cli.smoke_progress import TerminalSmokeProgress

        return TerminalSmokeProgress(colour=output.coloured(sys.stderr))
    return output.observer()
