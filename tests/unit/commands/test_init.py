"""``init``: which files it writes, and for which forge."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from kestra_sync.cli.main import run
from kestra_sync.commands.forges import Forge, forge_of
from kestra_sync.commands.init import init
from tests.support.schemas import check_result

_EXAMPLES = Path(__file__).parents[3] / "docs" / "ci"


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "KESTRA_SYNC_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "--quiet"], check=True)
    return tmp_path


def _remote(url: str) -> None:
    subprocess.run(["git", "remote", "add", "origin", url], check=True)


@pytest.mark.parametrize(
    ("url", "forge"),
    [
        ("git@github.com:acme/flows.git", Forge.GITHUB),
        ("https://gitlab.acme.io/data/flows.git", Forge.GITLAB),
        ("https://bitbucket.org/acme/flows", Forge.BITBUCKET),
        ("https://dev.azure.com/acme/data/_git/flows", Forge.AZURE),
        ("https://git.acme.io/flows.git", Forge.NONE),
    ],
)
def test_init__forge_is_seen_by_the_remote(url: str, forge: Forge) -> None:
    _remote(url)
    assert forge_of() is forge


@pytest.mark.parametrize(
    ("path", "forge"),
    [
        (".github/CODEOWNERS", Forge.GITHUB),
        (".gitlab-ci.yml", Forge.GITLAB),
        ("bitbucket-pipelines.yml", Forge.BITBUCKET),
        ("azure-pipelines.yml", Forge.AZURE),
        ("Jenkinsfile", Forge.JENKINS),
    ],
)
def test_init__forge_is_seen_by_its_files_first(path: str, forge: Forge) -> None:
    _remote("https://gitlab.com/acme/flows")
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).touch()
    assert forge_of() is forge


@pytest.mark.parametrize("forge", list(Forge))
def test_init__files_of_each_forge(forge: Forge) -> None:
    """The pipelines are the tested examples, without the remarks for those who copy them."""
    written = init(["flows"], name="x", namespaces=["acme"], forge=forge)
    assert [each.path for each in written.files[:2]] == ["kestra-sync.yaml", "flows/.kestraignore"]
    assert all(each.written for each in written.files)
    assert "# yaml-language-server: $schema=https://" in written.files[0].text
    pipelines = written.files[2:]
    assert bool(pipelines) is (forge is not Forge.NONE)
    examples = {path: path.read_text(encoding="utf-8") for path in _EXAMPLES.iterdir()}
    for each in pipelines:
        assert Path(each.path).read_text(encoding="utf-8") == each.text
        assert "Copy to" not in each.text
        assert "docs/ci" not in each.text
        code = [
            line for line in each.text.splitlines() if not line.lstrip().startswith(("#", "//"))
        ]
        assert any(set(code) <= set(text.splitlines()) for text in examples.values())
        if each.path.endswith(".yml"):
            assert YAML(typ="safe").load(each.text)
    if forge is Forge.GITLAB:
        (only,) = YAML(typ="safe").load(pipelines[0].text)["include"]
        assert set(only) == {"remote"}


def test_init__nothing_is_overwritten() -> None:
    """A pipeline that exists is left alone, and the note says what to add by hand."""
    for path in (".gitlab-ci.yml", "flows/.kestraignore"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text("# mine\n")
    written = init(["flows"], name="x", namespaces=["acme"])
    kept = {each.path for each in written.files if not each.written}
    assert kept == {".gitlab-ci.yml", "flows/.kestraignore"}
    assert all(Path(path).read_text() == "# mine\n" for path in kept)
    assert any("manually" in note for note in written.notes)


def test_init__without_flows_the_namespace_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A directory that does not exist is made; what was written is told, also as JSON."""
    assert run(["init"]) == 64
    assert "flows does not exist" in capsys.readouterr().err
    assert run(["init", "--namespace", "acme", "--ci", "github", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    assert [each["path"] for each in document["files"]] == [
        "kestra-sync.yaml",
        "flows/.kestraignore",
        ".github/workflows/kestra-plan.yml",
        ".github/workflows/kestra-apply.yml",
    ]
    assert run(["validate", "--offline", "--allow-empty"]) == 0
    assert run(["init", "--namespace", "acme"]) == 64


def test_init__tells_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    Path("flows").mkdir()
    Path("flows/.kestraignore").touch()
    assert run(["init", "--namespace", "acme", "--ci", "jenkins"]) == 0
    out = capsys.readouterr().out
    assert "Kept  flows/.kestraignore" in out
    assert "Wrote Jenkinsfile" in out
    assert "Next: kestra-sync doctor" in out
