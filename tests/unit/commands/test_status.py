"""``status`` and ``render`` with invalid files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from tests.fuzz.small_kestra import Answer, SmallKestra, State
from tests.support.schemas import check_result
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


def test_status__triggers_off_and_remedies_are_reported(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger = (
        "triggers:\n  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule,"
        ' cron: "0 3 * * *"}\n'
    )
    (here / "flows" / "a.yaml").write_text(log_flow("acme", "a") + trigger)
    state = {"namespace": "acme", "flowId": "a", "triggerId": "nightly", "disabled": True}

    def disabled(route: str, _number: int, answer: Answer) -> Answer:
        if route != "search triggers":
            return answer
        return Answer(
            200, json.dumps({"results": [{"triggerContext": state}], "total": 1}).encode()
        )

    for name in ("KESTRA_API_URL", "KESTRA_TOKEN", "KESTRA_USERNAME", "KESTRA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KESTRA_TOKEN_DEV", "token")
    with SmallKestra() as server:
        server.begin(State(), disabled)
        (here / "kestra-sync.yaml").write_text(
            "version: 1\nname: ours\nscope: [acme]\nenvironments:\n"
            f"  dev: {{url: '{server.url}'}}\n  prod: {{url: '{server.url}', token_env: PROD}}\n"
        )
        code = run(["status", "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        check_result(document)
        dev, prod = document["environments"]
        assert (dev["triggers_off"], dev["error"]) == (1, None)
        assert (code, prod["remedy"]) == (64, "set it to the token for this environment")
        assert run(["status"]) == 64
        shown = capsys.readouterr().out
        assert "triggers off" in shown
        assert "  set it to the token for this environment\n" in shown
