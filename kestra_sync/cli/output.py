"""Which stream gets what, with or without colour."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from kestra_sync.errors import ExitCode
from kestra_sync.observer import Observer
from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.lines import Line, write


@dataclass(frozen=True)
class Output:
    """The streams of one run. Results go to stdout; everything else goes to stderr."""

    command: str
    json: bool
    color: str
    verbose: bool

    @classmethod
    def of(cls, command: str, *, output_format: str, color: str, verbose: bool) -> Output:
        """From the options; turns on the log of requests for ``--verbose``."""
        if verbose:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(message)s"))
            logger = logging.getLogger("kestra_sync")
            logger.handlers = [handler]
            logger.setLevel(logging.DEBUG)
        return cls(command, output_format == "json", color, verbose)

    def text(self, lines: Iterable[Line]) -> None:
        """A result for people, on stdout; nothing if JSON was asked for."""
        if not self.json:
            write(lines, sys.stdout, colour=self.coloured(sys.stdout))
            # Where both streams end in one log, what is said next on stderr belongs after this.
            sys.stdout.flush()

    def message(self, lines: Iterable[Line]) -> None:
        """What is no result, on stderr."""
        write(lines, sys.stderr, colour=self.coloured(sys.stderr))

    def result(self, exit_code: ExitCode, body: Mapping[str, Any]) -> None:
        """The result for machines, on stdout; nothing if text was asked for."""
        if self.json:
            sys.stdout.write(dump(envelope(self.command, exit_code, body)))

    def coloured(self, stream: TextIO) -> bool:
        """Whether ``stream`` gets colour."""
        if self.color != "auto":
            return self.color == "always"
        return (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def observer(self) -> Observer:
        """Progress on stderr: a bar on a terminal, a line for each flow elsewhere."""
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from kestra_sync.cli.progress import TerminalProgress

            return TerminalProgress(colour=self.coloured(sys.stderr))
        from kestra_sync.cli.progress import PlainProgress

        return PlainProgress()
