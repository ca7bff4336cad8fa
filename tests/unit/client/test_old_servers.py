"""A server that is too old is refused by every command that writes or validates."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.cli.main import run

from .conftest import TOKEN
from .scripted import ScriptedServer, as_json

FLOW = "id: a\nnamespace: acme\ntasks:\n  - {id: t, type: io.kestra.plugin.core.log.Log}\n"


@pytest.mark.parametrize(
    "command",
    [
        ["plan"],
        ["apply", "--yes"],
        ["drift"],
        ["pull"],
        ["smoke"],
        ["validate"],
        ["run", "acme/a"],
        ["logs", "x1"],
        ["executions", "delete", "x1"],
        ["unlock"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_old_server__1_0_is_refused_before_any_other_request(
    scripted: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    scripted.on("GET", "/api/v1/configs", as_json({"version": "1.0.3", "edition": "OSS"}))
    monkeypatch.setenv("KESTRA_API_URL", scripted.url)
    monkeypatch.setenv("KESTRA_TOKEN", TOKEN)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/a.yaml").write_text(FLOW, encoding="utf-8")
    (tmp_path / "flows/a.smoke.yaml").write_text("flow: acme/a\n", encoding="utf-8")
    (tmp_path / "kestra-sync.yaml").write_text(
        "version: 1\nname: n\nsource: flows\nscope: [acme]\n", encoding="utf-8"
    )
    code = run(command)
    out, err = capsys.readouterr()
    assert code == 69, err
    assert "runs Kestra 1.0.3; kestra-sync needs Kestra 1.1 or newer" in out + err
    assert [seen for seen in scripted.seen if seen.method not in ("GET", "HEAD")] == []
