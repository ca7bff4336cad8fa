"""Shows what smoke tests say, for every command that runs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kestra_sync.cli.output import Output
from kestra_sync.errors import UsageError
from kestra_sync.observer import Observer

if TYPE_CHECKING:
    from kestra_sync.commands.smoke import SmokeResult


def smoke_progress(output: Output) -> Observer:
    """A row for each execution on a terminal, a line for each test elsewhere."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from kestra_sync.cli.smoke_progress import TerminalSmokeProgress

        return TerminalSmokeProgress(colour=output.coloured(sys.stderr))
    return output.observer()


def write_junit(result: SmokeResult, path: str) -> None:
    """Write the verdict as JUnit XML.

    :raises UsageError: the file cannot be written.
    """
    from kestra_sync.report.smoke_junit import smoke_junit

    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(smoke_junit(result), encoding="ascii")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
