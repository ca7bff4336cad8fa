"""The terminal and ``-o text`` show the same sections of a result."""

from __future__ import annotations

import io
import sys

import pytest

from kestra_sync.cli.output import Output
from kestra_sync.cli.smoke_progress import smoke_progress
from kestra_sync.model import FlowId
from kestra_sync.report.text import TextReporter
from tests.unit.report.formats.samples import reports


@pytest.mark.parametrize("name", sorted(reports()))
def test_the_streams_together_have_the_text_of_the_report(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, whichever command made it."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stdout", log)
    monkeypatch.setattr(sys, "stderr", log)
    report = reports()[name]
    Output("plan", "text", "never", verbose=False).show(report.sections())
    if report.failure is None:
        assert log.getvalue() == TextReporter().render(report)


def test_other_formats_show_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    for report in reports().values():
        Output("plan", "json", "never", verbose=False).show(report.sections())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shown", ["text", "json"])
def test_a_log_has_one_line_for_each_smoke_test(
    shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the text goes to stdout it is there; else the progress on stderr is all there is."""
    progress = smoke_progress(Output("smoke", shown, "never", verbose=False))
    progress.begin(2)
    progress.done(FlowId("acme", "a"), "passed: SUCCESS", ok=True)
    progress.end()
    said = capsys.readouterr().err
    assert ("acme/a" in said) == (shown == "json")
    assert ("running 2 smoke tests" in said) == (shown == "text")
