"""A server or gateway that sends names that are invalid in Kestra."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from tests.fuzz.small_kestra import Answer, SmallKestra, State
from tests.support.sources import log_flow


def _names(namespace: str) -> list[tuple[str, str]]:
    """Namespaces of the scope, as far as its dots tell, and ids; each of them a path or worse."""
    return [
        (f"{namespace}./../../../outside", "a"),
        (f"{namespace}.x", "../../../../../outside"),
        (f"{namespace}.x", "/tmp/outside"),
        (f"{namespace}.x", "a\n::error::forged"),
        (f"{namespace}.x", "a\x1b[31mred"),
        (f"{namespace}.x", "b" * 300),
        (f"{namespace}.x", "a\x00b"),
    ]


def _export(names: list[tuple[str, str]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (namespace, name) in enumerate(names):
            task = "- {id: a, type: io.kestra.plugin.core.log.Log, message: hi}"
            text = f"id: {json.dumps(name)}\nnamespace: {json.dumps(namespace)}\ntasks:\n  {task}\n"
            archive.writestr(f"{number}.yml", text)
    return buffer.getvalue()


@pytest.mark.parametrize("where", ["export", "search"])
def test_server_name__invalid_is_reported_and_ignored(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    """Never a path, never deleted, and never a command to a terminal or to a runner."""
    root = tmp_path / "repo"
    (root / "flows").mkdir(parents=True)
    config = "version: 1\nname: ours\nsource: flows\nscope: [acme]\nprune: scope\n"
    (root / "kestra-sync.yaml").write_text(config)
    (root / "flows/ours.yaml").write_text(log_flow("acme", "ours"))
    monkeypatch.chdir(root)
    names = _names("acme")
    results = [{"namespace": namespace, "id": name} for namespace, name in names]
    asked: list[str] = []

    def forged(route: str, _number: int, answer: Answer) -> Answer:
        if route == "export":
            return Answer(200, _export(names)) if where == "export" else Answer(404)
        if route == "search" and where == "search":
            return Answer(200, json.dumps({"results": results, "total": len(results)}).encode())
        return answer

    def ran(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return run(args), *capsys.readouterr()

    class Server(SmallKestra):
        def answer(self, method: str, target: str, body: bytes, content_type: str) -> Answer:
            asked.append(f"{method} {target}")
            return super().answer(method, target, body, content_type)

    with Server() as server:
        monkeypatch.setenv("KESTRA_API_URL", server.url)
        server.begin(State())
        assert ran("apply", "--yes")[0] == 0
        server.mutate = forged
        before = sorted(map(str, tmp_path.rglob("*")))
        code, _, err = ran("pull", "--new")
        assert code == 0, err
        assert err.count("warning[server-name]") == len(names)
        assert not any(line.startswith("::") for line in err.splitlines())
        assert "\x1b" not in err
        code, out, _ = ran("pull", "--new", "--dry-run", "--format", "json")
        assert len(json.loads(out)["diagnostics"]) == len(names)
        assert sorted(map(str, tmp_path.rglob("*"))) == before
        assert not Path("/tmp/outside.yaml").exists()

        plan = json.loads(ran("apply", "--yes", "--format", "json")[1])
        assert [each["rule"] for each in plan["diagnostics"]] == ["server-name"] * len(names)
        assert plan["plan"]["summary"]["delete"] == 0
    assert not [each for each in asked if each.startswith("DELETE") and "/flows/" in each]
    # Asked for by such a name, the path of a request would lead elsewhere as well.
    assert not [each for each in asked if "outside" in each or ".." in each]
