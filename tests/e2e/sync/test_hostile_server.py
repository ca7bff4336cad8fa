"""A server or gateway that sends names that are invalid in Kestra."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, reply


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
    repo: Repo, proxy: FaultProxy, where: str
) -> None:
    """Never a path, never deleted, and never a command to a terminal or to a runner."""
    repo.config("prune: scope\n")
    repo.flow("ours")
    assert repo.apply().code == 0
    before = sorted(map(str, repo.root.parent.rglob("*")))
    names = _names(repo.namespace)
    if where == "export":
        answer = reply(200, {"Content-Type": "application/octet-stream"}, _export(names))
        proxy.add(Rule(answer, method="GET", path=r"/export/by-query", times=None))
    else:
        proxy.add(Rule(reply(404), method="GET", path=r"/export/by-query", times=None))
        results = [{"namespace": namespace, "id": name} for namespace, name in names]
        found = json.dumps({"results": results, "total": len(results)})
        kind = {"Content-Type": "application/json"}
        proxy.add(Rule(reply(200, kind, found), method="GET", path=r"/flows/search", times=None))
    pulled = repo.run("pull", "--new")
    assert pulled.code == 0, pulled.err
    assert pulled.err.count("warning[server-name]") == len(names)
    assert not any(line.startswith("::") for line in pulled.err.splitlines())
    assert "\x1b" not in pulled.err
    assert len(repo.run("pull", "--new", "--dry-run", "--format", "json").json["diagnostics"]) == (
        len(names)
    )
    assert sorted(map(str, repo.root.parent.rglob("*"))) == before
    assert not Path("/tmp/outside.yaml").exists()

    plan = repo.plan()
    assert [each["rule"] for each in plan.json["diagnostics"]] == ["server-name"] * len(names)
    assert plan.json["plan"]["summary"]["delete"] == 0
    repo.apply()
    assert proxy.count("DELETE", "/flows/") == 0
    # Asked for by such a name, the path of a request would lead elsewhere as well.
    assert not [each.path for each in proxy.requests if "outside" in each.path or ".." in each.path]
