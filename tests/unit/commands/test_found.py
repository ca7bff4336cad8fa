"""A run without flows is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from kestra_sync.commands.init import init

TASK = "{{id: a, type: io.kestra.plugin.core.log.Log, message: x}}"
FLOW = f"id: {{id}}\nnamespace: {{namespace}}\ntasks:\n  - {TASK}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KESTRA_API_URL", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    Path("flows").mkdir()


@pytest.mark.parametrize("command", ["validate", "graph"])
def test_no_flow_is_a_usage_error(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = [command, "--offline", "flows"]
    assert run(args) == 64
    assert "no flows found in flows" in capsys.readouterr().err
    Path("flows/values.yaml").write_text("a: 1\n")
    assert run(args) == 64
    said = capsys.readouterr().err
    assert "in 1 YAML file\n" in said
    assert "--allow-empty" in said
    assert run([*args, "--allow-empty"]) == 0
    # What is wrong with the files comes first.
    Path("flows/bad.yaml").write_text("id: a\nnamespace: b\ntasks: [\n")
    assert run(args) == 3


def test_patterns_that_match_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("flows/a.yaml").write_text(FLOW.format(id="a", namespace="acme"))
    assert run(["graph", "--offline", "--only", "acme/b"]) == 64
    assert "no flow matches acme/b\n" in capsys.readouterr().err
    assert run(["render", "sales/a"]) == 64
    assert "no flow matches sales/a\n" in capsys.readouterr().err
    assert run(["graph", "--offline", "--only", "acme/a", "--exclude", "acme/*"]) == 64
    assert "no flow matches acme/a, with --exclude acme/*\n" in capsys.readouterr().err
    assert run(["graph", "--offline", "--exclude", "acme"]) == 64
    assert "no flow matches --exclude acme\n" in capsys.readouterr().err
    assert run(["graph", "--offline", "--only", "acme/a"]) == 0


@pytest.mark.parametrize(
    ("namespaces", "scope"),
    [
        (["acme.sales", "acme.ops", "acme.ops.jobs"], "acme"),
        (["acme.eu.sales", "acme.eu.ops"], "acme.eu"),
        (["acme.sales", "acme.sales.x"], "acme.sales"),
        (["acme.sales"], "acme.sales"),
        (["acme", "acme.x"], "acme"),
        (["acme.sales", "other.a", "other.a.b"], "acme.sales, other.a"),
        (["acme", "acme2.x"], "acme, acme2.x"),
    ],
)
def test_init__proposes_the_namespace_that_all_share(namespaces: list[str], scope: str) -> None:
    for number, namespace in enumerate(namespaces):
        Path(f"flows/f{number}.yaml").write_text(FLOW.format(id=f"f{number}", namespace=namespace))
    assert f"scope: [{scope}]\n" in init(["flows"], name="x", namespaces=[]).files[0].text


def test_the_bare_command_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["executions"]):
        assert run(args) == 64  # never 2, which says that there are changes
        out, err = capsys.readouterr()
        assert out.startswith("Usage: kestra-sync")
        assert err == ""


@pytest.mark.parametrize(
    ("option", "meant"),
    [("--env", "--environment"), ("--auto-approve", "--yes"), ("--dry-runs", "--dry-run")],
)
def test_options__of_other_tools_have_suggestions(
    option: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["apply", option, "x"]) == 64
    said = capsys.readouterr().err
    assert f"Did you mean {meant}?" in said.replace("'", "")
