"""The pager is only used on a terminal that is too small."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kestra_sync.cli.output import Output, page, pager
from kestra_sync.report.lines import line


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 80 columns and 24 lines, with nothing that switches a pager off."""
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    for name in ("CI", "PAGER", "KESTRA_SYNC_PAGER", "LESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A pager that keeps what it is given."""
    path = tmp_path / "my pager"
    path.write_text(
        f'#!/bin/sh\necho "LESS=$LESS $1" > "{tmp_path}/seen"\ncat >> "{tmp_path}/seen"\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="the pager of this test is a shell script")
@pytest.mark.usefixtures("terminal")
def test_pager__gets_what_does_not_fit(
    script: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lines that the terminal wraps count as several; what fits is printed."""
    monkeypatch.setenv("PAGER", "false")
    monkeypatch.setenv("KESTRA_SYNC_PAGER", f"'{script}' -x")
    output = Output.of("plan", output_format="text", color="never", verbose=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    output.paged([line("short")] * 5)
    seen = script.parent / "seen"
    assert not seen.exists()
    output.paged([line("ä" * 200)] * 10)
    assert seen.read_text(encoding="utf-8") == "LESS=FRX -x\n" + ("ä" * 200 + "\n") * 10


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CI", "true"),
        ("TERM", "dumb"),
        ("PAGER", ""),
        ("PAGER", "cat"),
        ("PAGER", "no-such-program"),
        ("PAGER", "'unclosed"),
        ("KESTRA_SYNC_PAGER", ""),
    ],
)
def test_pager__is_switched_off(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", sys.executable)
    assert pager(100) == [sys.executable]
    assert pager(20) is None
    monkeypatch.setenv(name, value)
    assert pager(100) is None


def test_pager__not_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert pager(1000) is None


def test_pager__that_cannot_be_run_is_none(tmp_path: Path) -> None:
    assert not page([str(tmp_path)], "text")
