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

#: ``F`` ends at once if all fits, ``R`` lets colours through, ``X`` leaves the text on the screen.
_LESS = "FRX"


def masker() -> Masker:
    """Masks what the options of this command name, and the secrets of its environment."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.params
    return Masker(known_secrets(given.get("url"), given.get("env_file", ".env")))


class _SafeFormatter(logging.Formatter):
    """Log lines hold what servers say."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._masker = masker()

    def format(self, record: logging.LogRecord) -> str:
        return self._masker.clean(super().format(record))


@dataclass(frozen=True)
class Output:
    """The streams of one run. Results go to stdout; everything else goes to stderr.

    :param format: what goes to stdout.
    :param wanted: the reports that go to files.
    """

    command: str
    format: str
    color: str
    verbose: bool
    wanted: tuple[ReportRequest, ...] = ()

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
        """From the options; turns on the log of requests for ``--verbose``.

        :raises UsageError: a report that cannot be written.
        """
        if verbose:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(_SafeFormatter("%(message)s"))
            logger = logging.getLogger("kestra_sync")
            logger.handlers = [handler]
            logger.setLevel(logging.DEBUG)
        wanted: tuple[ReportRequest, ...] = ()
        if outputs:
            from kestra_sync.cli.reports import parse_outputs

            wanted = parse_outputs(outputs, output_format)
        return cls(command, output_format, color, verbose, wanted)

    @property
    def json(self) -> bool:
        """Whether JSON goes to stdout."""
        return self.format == "json"

    @property
    def readable(self) -> bool:
        """Whether what goes to stdout is the text for people."""
        return self.format == "text"

    @property
    def reports(self) -> bool:
        """Whether anything but the text for people was asked for: only then a report is made."""
        return bool(self.wanted) or not self.readable

    @property
    def width(self) -> int | None:
        """The columns of the terminal; ``None`` where stdout is none, and no line is too long."""
        return max(shutil.get_terminal_size().columns, 1) if sys.stdout.isatty() else None

    def text(self, lines: Iterable[Line]) -> None:
        """A result for people, on stdout; nothing if another format was asked for."""
        if self.readable:
            write(lines, sys.stdout, colour=self.coloured(sys.stdout))
            # If both streams end in one log, the next message on stderr belongs after this.
            sys.stdout.flush()

    def show(self, sections: Iterable[Section]) -> None:
        """Sections of a result, each on its stream; nothing if another format was asked for."""
        for each in sections if self.readable else ():
            if each.stream is StandardStream.RESULT:
                self.paged(each.lines)
            else:
                self.message(each.lines)

    def paged(self, lines: Iterable[Line]) -> None:
        """As :meth:`text`; on a terminal that is too small for it, through a pager."""
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
        """Messages that are not results, on stderr."""
        write(lines, sys.stderr, colour=self.coloured(sys.stderr))

    def result(self, exit_code: ExitCode, body: Mapping[str, Any]) -> None:
        """The result for machines, on stdout; nothing if text was asked for."""
        if self.json:
            document = dump(envelope(self.command, exit_code, body))
            sys.stdout.write(for_stream(document, sys.stdout, self.format))

    def report(self, report: Report | Reports) -> ExitCode:
        """Write the reports that were asked for; the text is on stdout already.

        :returns: the exit code of the run, or 1 if it was good and a report could not be written.
        """
        if not self.reports:
            return report.exit_code
        from kestra_sync.cli.reports import complete, worse, write_reports
        from kestra_sync.report.formats import render

        report = complete(report)
        problems = write_reports(self.wanted, report)
        if not self.readable:
            text = render(self.format, report)
            sys.stdout.write(for_stream(text, sys.stdout, self.format))
        self.message(line(f"kestra-sync: error: {problem}") for problem in problems)
        return worse(report.exit_code, problems)

    def decided(self, code: ExitCode, *steps: Callable[[], object]) -> ExitCode:
        """Tell what was done, even if a part of that fails; the exit code stays ``code``.

        For commands that have changed something: a report that breaks, or a ``^C`` while it is
        written, must not say anything else about it.
        """
        for step in steps:
            try:
                step()
            except (Exception, KeyboardInterrupt) as error:
                said = str(error) or "interrupted"
                words = f"the report is incomplete ({type(error).__name__}: {said})"
                self.message([line(Span("warning: ", Style.WARNING), words)])
        return code

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


def pager(lines: int) -> list[str] | None:
    """The command that shows a text of ``lines`` screen lines; ``None`` if it is just printed.

    ``KESTRA_SYNC_PAGER`` and then ``PAGER`` name it; empty, or ``cat``, switches it off. In pipes,
    in CI and on terminals that cannot do more than print there is none.
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
    """Show ``text`` with ``command``, and wait until it is left; false if it cannot be run."""
    import subprocess  # only a terminal waits for the import

    environ = {"LESS": _LESS, "LESSCHARSET": "utf-8", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)
    except OSError:
        return False
    with process:
        try:
            process.communicate(text.encode("utf-8", "replace"))
        except KeyboardInterrupt:
            # ^C is the pager's: less stops reading, and stays.
            process.wait()
    return True
