"""Streams, colours and progress."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import Any

import pytest

from kestra_sync.cli.output import Output
from kestra_sync.cli.progress import PlainProgress, TerminalProgress
from kestra_sync.errors import ExitCode
from kestra_sync.model import FlowId
from kestra_sync.observer import Observer
from kestra_sync.report.lines import BLANK, Span, Style, line, write
from kestra_sync.safe.text import no_command, visible


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """It is not."""
        return True


def _output(format_: str = "text", *, color: str = "auto", verbose: bool = False) -> Output:
    return Output.of("plan", output_format=format_, color=color, verbose=verbose)


@pytest.mark.parametrize(
    ("color", "terminal", "environment", "wanted"),
    [
        ("auto", True, {}, True),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", False, {}, False),
        ("always", False, {"NO_COLOR": "1", "TERM": "dumb"}, True),
        ("never", True, {}, False),
    ],
)
def test_when_there_is_colour(
    color: str,
    terminal: bool,
    environment: dict[str, str],
    wanted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a terminal, unless disabled; or as requested."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    output = _output(color=color)
    assert output.coloured(stream) is wanted
    output.text([line(Span("red", Style.ERROR))])
    assert ("\x1b[" in stream.getvalue()) is wanted


def test_streams__each_is_checked_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    """``plan > file`` has colour on stderr only."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out, err = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    output = _output()
    output.text([line(Span("x", Style.ERROR))])
    output.message([line(Span("x", Style.ERROR))])
    assert (out.getvalue(), err.getvalue()) == ("x\n", "\x1b[1;31mx\x1b[0m\n")


def test_output__json_and_text_are_separate(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the one that was not asked for, nothing is printed."""
    output = _output("json")
    output.text([line("text")])
    output.message([line("aside")])
    output.result(ExitCode.CHANGES, {"plan": None})
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == 2
    assert err == "aside\n"
    output = _output()
    output.text([line("text")])
    output.result(ExitCode.OK, {"plan": None})
    assert capsys.readouterr().out == "text\n"


def test_results_come_before_messages_about_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both streams end in one log, text is not held back behind stderr."""
    log: list[str] = []

    class Stream(io.StringIO):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def flush(self) -> None:
            log.append(self.name)

    monkeypatch.setattr(sys, "stdout", Stream("stdout"))
    _output().text([line("plan")])
    assert log == ["stdout"]


def test_verbose_shows_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, once per call."""
    logger = logging.getLogger("kestra_sync")
    before = logger.handlers, logger.level
    try:
        for _ in range(2):
            _output(verbose=True)
        logging.getLogger("kestra_sync.client").debug("GET /flows")
        assert capsys.readouterr().err == "GET /flows\n"
    finally:
        logger.handlers, level = before
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("terminal", "term", "kind"),
    [(True, "xterm", TerminalProgress), (True, "dumb", PlainProgress), (False, "", PlainProgress)],
)
def test_the_kind_of_progress(
    terminal: bool, term: str, kind: type[Observer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar needs a terminal that can move."""
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setenv("TERM", term)
    assert type(_output().observer()) is kind


_FLOW = FlowId("acme", "a")


def test_progress_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each flow."""
    progress = PlainProgress()
    progress.stage("reading")
    progress.begin(2)
    progress.done(_FLOW, "created, revision 1", ok=True)
    progress.done(_FLOW, "failed \x1b[31m", ok=False)
    progress.note("careful\r")
    progress.end()
    assert capsys.readouterr() == (
        "",
        "ok   acme/a created, revision 1\nFAIL acme/a failed \\x1b[31m\nnote: careful\\x0d\n",
    )


def test_progress_of_large_files_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A line every ten seconds, however many pieces there are."""
    now = [0.0]
    progress = PlainProgress(clock=lambda: now[0])
    for seconds in range(25):
        now[0] = float(seconds)
        progress.transfer("model.bin\x1b", seconds * 4_000_000, 100_000_000)
    now[0] = 31.0
    progress.transfer("files of acme", 2_500_000, None)
    assert capsys.readouterr().err == (
        "...  model.bin\\x1b 40.0 of 100.0 MB\n"
        "...  model.bin\\x1b 80.0 of 100.0 MB\n"
        "...  files of acme 2.5 MB\n"
    )


def test_progress_of_large_files_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar by bytes below that of the writes, which fits into 80 columns and goes away."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = TerminalProgress(colour=False)

    def redraw() -> None:
        assert progress._progress is not None
        progress._progress.refresh()

    progress.transfer("too-early.bin", 1, 2)
    progress.stage("reading the server")
    progress.transfer("files of acme", 2_500_000, None)
    redraw()
    progress.begin(2)
    name = f"models/{'x' * 40}/large.bin"
    for done in (0, 50_000_000, 99_000_000):
        progress.transfer(name, done, 100_000_000)
    redraw()
    progress.transfer(name, 100_000_000, 100_000_000)
    redraw()
    progress.end()
    text = screen.getvalue()
    assert "too-early" not in text
    assert "files of acme" in text
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))
    shown = [each for each in lines if "large.bin" in each]
    assert any("xx/large.bin" in each and "99.0/100.0 MB" in each for each in shown)
    assert max(map(len, shown)) <= 80
    assert "large.bin" not in text[text.rindex("writing") :]


@pytest.mark.parametrize("colour", [True, False])
def test_progress_on_a_terminal(colour: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that goes away, with what failed above it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = TerminalProgress(colour=colour)
    progress.done(_FLOW, "too early", ok=True)
    progress.end()
    progress.stage("reading [bold]the server")
    progress.stage("comparing")
    progress.begin(2)
    progress.done(_FLOW, "created", ok=True)
    progress.note("careful\x07")
    progress.done(_FLOW, "failed [red]\x1b[31m", ok=False)
    progress.end()
    progress.end()
    text = screen.getvalue()
    for wanted in ("reading [bold]the server", "writing", "2/2", "acme/a failed [red]\\x1b[31m"):
        assert wanted in text
    assert "note: careful\\x07" in text
    assert "too early" not in text
    assert "created" not in text
    assert ("\x1b[3" in text) is colour
    # The cursor is shown again, and the last line is empty.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert sys.stderr is screen


def test_observer__without_a_listener_is_silent() -> None:
    """Unless there is a listener."""
    silent = Observer()
    silent.stage("x")
    silent.begin(1)
    silent.done(_FLOW, "x", ok=True)
    silent.note("x")
    silent.end()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain é 💚\ttab", "plain é 💚\ttab"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\x9b31m\x7f\x80", "\\x9b31m\\x7f\\x80"),
        ("a\u202eb\u2066c\u2069\u200e\u061c", "a\\u202eb\\u2066c\\u2069\\u200e\\u061c"),
        ("\u2028\u2029\ufeff", "\\u2028\\u2029\\ufeff"),
        ("\udc80", "\\udc80"),
    ],
)
def test_text__control_characters_are_visible(text: str, wanted: str) -> None:
    """Nothing of it reaches the terminal as a command."""
    assert visible(text) == wanted
    assert line(text).text == wanted
    assert visible(wanted) == wanted


def test_text__ci_commands_are_neutralized() -> None:
    """At the start of a line; elsewhere two colons are two colons."""
    assert no_command("::error::x") == "\\x3a:error::x"
    assert no_command("  ::error::x") == "  \\x3a:error::x"
    assert no_command("a ::error::x") == "a ::error::x"


def test_lines_read_the_same_with_and_without_colour() -> None:
    """Without blanks at the end, and wider than any terminal."""
    lines = [line("a ", Span("b" * 300, Style.GOOD), "  "), BLANK, line(Span("c"), "")]

    def written(**options: Any) -> str:
        stream = io.StringIO()
        write(lines, stream, **options)
        return stream.getvalue()

    plain = written(colour=False)
    assert plain == f"a {'b' * 300}\n\nc\n"
    colour = written(colour=True)
    assert colour != plain
    assert colour.replace("\x1b[1;32m", "").replace("\x1b[0m", "") == plain
