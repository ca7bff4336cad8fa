"""``pull`` and the Git repository that it writes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.git import git, isolate
from tests.support.repository import Repo


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path / "home")


def test_pull__uncommitted_changes_are_not_overwritten(repo: Repo) -> None:
    names = ("clean", "edited", "staged", "untracked", "ignored", "hidden")
    repo.config()
    git(repo.root, "init", "-q")
    for name in names:
        repo.flow(name)
    repo.write(".gitignore", "ignored.yaml\n")
    git(repo.root, "add", "-A")
    git(repo.root, "rm", "-q", "--cached", "flows/untracked.yaml")
    git(repo.root, "commit", "-q", "-m", "x")
    for name in ("edited", "staged", "hidden"):
        repo.flow(name, "local work")
    git(repo.root, "add", "flows/staged.yaml")
    git(repo.root, "update-index", "--assume-unchanged", "flows/hidden.yaml")
    # Deployed as it is, so by the record only the server changed afterwards.
    assert repo.apply().code == 0
    before = {name: Path(f"flows/{name}.yaml").read_bytes() for name in names}
    theirs = {name: repo.source(name, "by hand") for name in names}
    for name in names:
        repo.edit(name, theirs[name])
    ran = repo.run("pull", "--format", "json")
    assert ran.code == 5
    found = {each["flow"]["id"]: each for each in ran.json["flows"]}
    assert {name: each["result"] for name, each in found.items()} == {
        name: "updated" if name == "clean" else "conflict" for name in names
    }
    words = "changed on the server, but the file is not in Git yet"
    assert found["untracked"]["reason"] == words
    for name in names:
        expected = theirs[name] if name == "clean" else before[name]
        assert Path(f"flows/{name}.yaml").read_bytes() == expected
    assert repo.run("pull", "--overwrite").code == 0
    assert {name: Path(f"flows/{name}.yaml").read_bytes() for name in names} == theirs
    git(repo.root, "commit", "-q", "-a", "-m", "y")
    assert set(repo.plan().reasons().values()) == {"none refreshed"}


def test_pull__without_a_record_compares_the_histories(repo: Repo) -> None:
    """No name, so no record: what either side had before is what the other still has."""
    repo.write("kestra-sync.yaml", f"version: 1\nsource: flows\nscope: [{repo.namespace}]\n")
    git(repo.root, "init", "-q")
    for name in ("git", "server", "both"):
        repo.flow(name)
    git(repo.root, "add", "-A")
    git(repo.root, "commit", "-q", "-m", "x")
    assert repo.apply().code == 0
    repo.flow("git", "in Git")
    repo.flow("both", "in Git")
    git(repo.root, "commit", "-q", "-a", "-m", "y")
    theirs = repo.source("server", "by hand")
    repo.edit("server", theirs)
    repo.edit("both", repo.source("both", "by hand"))
    ran = repo.run("pull", "--format", "json")
    assert ran.code == 5
    assert {each["flow"]["id"]: each["result"] for each in ran.json["flows"]} == {
        "git": "left",
        "server": "updated",
        "both": "conflict",
    }
    assert Path("flows/server.yaml").read_bytes() == theirs
