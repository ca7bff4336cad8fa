"""The example in ``docs/environments.md`` renders as shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from tests.support.schemas import check_result

_PAGE = (Path(__file__).resolve().parents[3] / "docs/environments.md").read_text("utf-8")


def _blocks(comment: str) -> list[str]:
    found = re.findall(r"```yaml\n# (.*?)\n(.*?)```", _PAGE, re.DOTALL)
    return [text for head, text in found if head == comment]


def test_environments_page__shows_the_rendered_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    (flow,), (sent,) = _blocks("flows/import.yaml"), _blocks("sent to prod")
    (tmp_path / "flows/import.yaml").write_text(flow)
    three, one = _blocks("kestra-sync.yaml")
    for text in (three, one):
        (tmp_path / "kestra-sync.yaml").write_text(text.replace("git-commit", "git"))
        assert run(["validate", "--offline", "-e", "dev"]) == 0
    monkeypatch.setenv("KESTRA_SYNC_COMMIT", "")
    capsys.readouterr()
    assert run(["render", "-e", "prod", "acme.sales/import"]) == 0
    assert capsys.readouterr().out == sent
    assert run(["render", "-e", "dev", "--format", "json", "--out", "sent"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    (found,) = document["flows"]
    assert (found["flow"]["namespace"], found["written"]) == (
        "dev.acme.sales",
        "sent/dev/acme/sales/import.yaml",
    )
    assert "disabled: true" in (tmp_path / found["written"]).read_text()


def test_status_of_servers_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KESTRA_API_URL", "KESTRA_TOKEN", "KESTRA_USERNAME", "KESTRA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    (tmp_path / "flows").mkdir()
    (tmp_path / "kestra-sync.yaml").write_text(
        "version: 1\nenvironments:\n  dev: {url: 'http://127.0.0.1:9'}\n  '<b>': {}\n".replace(
            "'<b>'", "other"
        )
    )
    assert run(["status", "--limit", "20", "--format", "json"]) == 69
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    dev, other = document["environments"]
    assert (dev["environment"], dev["url"], dev["reachable"]) == (
        "dev",
        "http://127.0.0.1:9",
        False,
    )
    assert "URL is not set" in other["error"]
    for name, words in (("text", "unreachable"), ("markdown", "| dev |"), ("html", "<td>dev</td>")):
        assert run(["status", "--limit", "20", "--format", name]) == 69
        assert words in capsys.readouterr().out
