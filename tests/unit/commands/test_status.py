"""What ``status`` and ``render`` say of files that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.cli.edge import run
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.sources import log_flow


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one flow."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.yaml").write_text(log_flow("acme", "a"))
    return tmp_path


def test_status__invalid_files_decide_the_exit_code(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "kestra-sync.yaml").write_text("version: 1\nname: ours\nscope: [acme]\n")
    with SmallKestra() as server:
        server.begin(State())
        monkeypatch.setenv("KESTRA_API_URL", server.url)
        monkeypatch.setenv("KESTRA_USERNAME", "admin")
        monkeypatch.setenv("KESTRA_PASSWORD", "secret")
        assert run(["status"]) == 0
        assert "1 to create" in capsys.readouterr().out
        (here / "flows" / "b.yaml").write_text(log_flow("acme", "a", "twice"))
        assert run(["status"]) == 3
        assert "2 errors in the files" in capsys.readouterr().out


def test_render__skipped_files_are_listed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "flows" / "notes.yaml").write_text("a: [\n")
    assert run(["render"]) == 0
    shown = capsys.readouterr()
    assert shown.out == log_flow("acme", "a")
    assert "skipped flows/notes.yaml" in shown.err
