"""Progress on a terminal, and single executions: small edges."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest

from kestra_sync.cli.output import Output
from kestra_sync.cli.smoke_progress import TerminalSmokeProgress, smoke_progress
from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import Forbidden, ServerFailure
from kestra_sync.executions.manual import delete
from kestra_sync.smoke.result import SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import SmokeSpec
from tests.unit.smoke.fake import FLOW


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_row_for_each_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    observer = smoke_progress(
        Output.of("smoke", output_format="text", color="never", verbose=False)
    )
    assert isinstance(observer, TerminalSmokeProgress)
    spec = SmokeSpec(FLOW, "a\x1b[2Jb")
    observer.smoke_begin((spec, SmokeSpec(FLOW)))
    observer.smoke_running(0, "RUNNING, task load")
    observer.smoke_running(0, "RUNNING, task [bold]x")
    observer.smoke_done(1, SmokeRun(SmokeSpec(FLOW), SmokeVerdict.ERROR))
    assert observer._progress is not None
    observer._progress.refresh()
    observer.smoke_done(0, SmokeRun(spec, SmokeVerdict.PASSED))
    observer.note("careful\x1b")
    observer.smoke_end()
    observer.smoke_running(0, "late")
    observer.smoke_done(0, SmokeRun(spec, SmokeVerdict.PASSED))
    observer.smoke_end()
    written = terminal.getvalue()
    assert "company.team/work (a\\x1b[2Jb)" in written
    assert "RUNNING, task [bold]x" in written
    assert "1 of 2" in written
    assert "note: careful\\x1b\n" in written


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    output = Output.of("smoke", output_format="text", color="never", verbose=False)
    assert not isinstance(smoke_progress(output), TerminalSmokeProgress)


class Executions:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def delete(self, known: str, **_how: Any) -> None:
        if known == "bad":
            raise self._error


def deleting(error: Exception) -> dict[str, str | None]:
    class Fake:
        executions = Executions(error)

    client = cast("KestraClient", Fake())
    return delete(client, ["bad", "good"], logs=True, metrics=True, storage=True)


def test_one_execution_that_cannot_be_deleted_does_not_stop_the_others() -> None:
    assert deleting(ServerFailure(500, "DELETE", "/x", "oops")) == {
        "bad": "DELETE /x: 500: oops",
        "good": None,
    }
    with pytest.raises(Forbidden):
        deleting(Forbidden(403, "DELETE", "/x"))
