"""Writes output to stdout and stderr, with or without colors."""

from __future__ import annotations

import io
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

from kestra_sync.cli.streams import for_stream
from kestra_sync.client.places import known_secrets
from kestra_sync.errors import ExitCode
from kestra_sync.observer import Observer
from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.lines import Line, Section, Span, StandardStream, Style, line, write
from kestra_sync.safe.secrets import Masker

if TYPE_CHECKING:
    from kestra_sync.cli.reports import ReportRequest
    from kestra_sync.report.report import Report, Reports

#: ``F`` quits if the text fits on one screen, ``R`` passes colors, ``X`` keeps the text visible.
_LESS = "FRX"


def masker() -> Masker:
    """Return a masker for the secrets in the options of this command and in its environment."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.params
    return Masker(known_secrets(given.get("url"), given.get("env_file", ".env")))


class _SafeFormatter(logging.Formatter):
    """Masks secrets and control characters in log lines, which contain text from servers."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._masker = masker()

    def format(self, record: logging.LogRecord) -> str:
        return self._masker.clean(super().format(record))


@dataclass(frozen=True)
class Output:
    """The streams of one run. Results go to stdout; everything else goes to stderr.

    :param format: the format of stdout.
    :param requests: the reports to write to files.
    """

    command: str
    format: str
    color: str
    verbose: bool
    requests: tuple[ReportRequest, ...] = ()

    @classmethod
    def of(
        cls,
        command: str,
        *,
        output_format: str,
        color: str,
        verbose: bool,
        outputs: Sequence[str] = (),
    ) -> Output:
        """Create it from the options; ``--verbose`` enables the log of requests.

        :raises UsageError: a report cannot be written.
        """
        if verbose:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(_SafeFormatter("%(message)s"))
            logger = logging.getLogger("kestra_sync")
            logger.handlers = [handler]
            logger.setLevel(logging.DEBUG)
        requests: tuple[ReportRequest, ...] = ()
        if outputs:
            from kestra_sync.cli.reports import parse_outputs

            requests = parse_outputs(outputs, output_format)
        return cls(command, output_format, color, verbose, requests)

    @property
    def json(self) -> bool:
        """Whether JSON goes to stdout."""
        return self.format == "json"

    @property
    def readable(self) -> bool:
        """Whether stdout is text for people."""
        return self.format == "text"

    @property
    def reports(self) -> bool:
        """Whether a report is needed: any output other than the text for people."""
        return bool(self.requests) or not self.readable

    @property
    def width(self) -> int | None:
        """The columns of the terminal; ``None`` (any line length) if stdout is not one."""
        return max(shutil.get_terminal_size().columns, 1) if sys.stdout.isatty() else None

    def text(self, lines: Iterable[Line]) -> None:
        """Print a result for people on stdout, unless another format was requested."""
        if self.readable:
            write(lines, sys.stdout, colour=self.coloured(sys.stdout))
            # Keeps the order if both streams go to the same log.
            sys.stdout.flush()

    def show(self, sections: Iterable[Section]) -> None:
        """Print sections of a result, each on its stream, unless another format was requested."""
        for each in sections if self.readable else ():
            if each.stream is StandardStream.RESULT:
                self.paged(each.lines)
            else:
                self.message(each.lines)

    def paged(self, lines: Iterable[Line]) -> None:
        """Print as :meth:`text`, through a pager if the terminal is too small."""
        if not sys.stdout.isatty():
            self.text(lines)
            return
        lines = list(lines)
        width = max(shutil.get_terminal_size().columns, 1)
        command = pager(sum(len(each.text) // width + 1 for each in lines))
        if command is not None and self.readable:
            text = io.StringIO()
            write(lines, text, colour=self.coloured(sys.stdout))
            sys.stdout.flush()
            if page(command, text.getvalue()):
                return
        self.text(lines)

    def message(self, lines: Iterable[Line]) -> None:
        """Print messages that are not results on stderr."""
        write(lines, sys.stderr, colour=self.coloured(sys.stderr))

    def result(self, exit_code: ExitCode, body: Mapping[str, Any]) -> None:
        """Print the JSON result on stdout, if requested."""
        if self.json:
            document = dump(envelope(self.command, exit_code, body))
            sys.stdout.write(for_stream(document, sys.stdout, self.format))

    def report(self, report: Report | Reports) -> ExitCode:
        """Write the requested reports; the text has already been printed.

        :returns: the exit code of the run, or 1 if it succeeded but a report could not be written.
        """
        if not self.reports:
            return report.exit_code
        from kestra_sync.cli.reports import complete, worse, write_reports
        from kestra_sync.report.formats import render

        report = complete(report)
        problems = write_reports(self.requests, report)
        if not self.readable:
            text = render(self.format, report)
            sys.stdout.write(for_stream(text, sys.stdout, self.format))
        self.message(line(f"kestra-sync: error: {problem}") for problem in problems)
        return worse(report.exit_code, problems)

    def report_outcome(self, code: ExitCode, *steps: Callable[[], object]) -> ExitCode:
        """Report what was done, even if a step of that fails; return ``code`` in any case.

        For commands that have changed something: an error or a ``^C`` while the report is written
        must not change the exit code.
        """
        for step in steps:
            try:
                step()
            except (Exception, KeyboardInterrupt) as error:
                reason = str(error) or "interrupted"
                words = f"the report is incomplete ({type(error).__name__}: {reason})"
                self.message([line(Span("warning: ", Style.WARNING), words)])
        return code

    def coloured(self, stream: TextIO) -> bool:
        """Whether to use colors on ``stream``."""
        if self.color != "auto":
            return self.color == "always"
        return (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def observer(self) -> Observer:
        """Show progress on stderr: a bar on a terminal, otherwise one line per flow."""
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from kestra_sync.cli.progress import TerminalProgress

            return TerminalProgress(colour=self.coloured(sys.stderr))
        from kestra_sync.cli.progress import PlainProgress

        return PlainProgress()


def pager(lines: int) -> list[str] | None:
    """Return the pager for a text of ``lines`` screen lines; ``None`` to print it directly.

    It is set by ``KESTRA_SYNC_PAGER``, then ``PAGER``; an empty value or ``cat`` disables it. It is
    not used in pipes, in CI and on dumb terminals.
    """
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return None
    if os.environ.get("CI") or os.environ.get("TERM", "dumb") == "dumb":
        return None
    if lines < shutil.get_terminal_size().lines:
        return None
    named = os.environ.get("KESTRA_SYNC_PAGER", os.environ.get("PAGER", "less"))
    try:
        command = shlex.split(named)
    except ValueError:  # a quote that is not closed
        return None
    if not command or command == ["cat"] or shutil.which(command[0]) is None:
        return None
    return command


def page(command: list[str], text: str) -> bool:
    """Show ``text`` with ``command`` and wait for it to exit; false if it cannot be started."""
    import subprocess  # slow to import, only needed on a terminal

    environ = {"LESS": _LESS, "LESSCHARSET": "utf-8", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)
    except OSError:
        return False
    with process:
        try:
            process.communicate(text.encode("utf-8", "replace"))
        except KeyboardInterrupt:
            # ^C is handled by the pager: less stops reading, and keeps running.
            process.wait()
    return True
