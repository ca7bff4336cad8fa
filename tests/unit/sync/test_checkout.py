"""An incomplete checkout deletes nothing; files that were removed from Git are deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.git import commit, git, isolate
from tests.support.repository import Repo, assert_refused


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path / "home")


def deployed(repo: Repo, tmp_path: Path) -> None:
    """Nine flows, three more in a submodule, all of them committed and on the server."""
    shared = tmp_path / "shared"
    shared.mkdir()
    git(shared, "init", "-q")
    for name in ("s0", "s1", "s2"):
        (shared / f"{name}.yaml").write_bytes(repo.source(name))
    commit(shared)
    repo.config()
    for number in range(9):
        repo.flow(f"f{number}")
    git(repo.root, "init", "-q")
    git(repo.root, "submodule", "--quiet", "add", str(shared), "flows/shared")
    commit(repo.root)
    assert repo.apply().code == 0
    assert len(repo.lives()) == 12


def assert_incomplete(repo: Repo, *words: str) -> None:
    """No option allows it."""
    options = ("--allow-large", "--allow-skipped-delete")
    assert_refused(repo, "incomplete-checkout", *words, options=options)


def test_incomplete_checkout__missing_files_are_not_deleted(repo: Repo, tmp_path: Path) -> None:
    deployed(repo, tmp_path)
    git(repo.root, "submodule", "--quiet", "deinit", "-f", "flows/shared")
    assert_incomplete(
        repo,
        "3 of 3 deletions",
        "flows/shared: a submodule that is not checked out",
        "submodules: true",
    )
    git(repo.root, "submodule", "--quiet", "update", "--init")
    git(repo.root, "sparse-checkout", "set", "--no-cone", "/*", "!/flows/f0.yaml")
    assert_incomplete(
        repo,
        "1 of 1 deletions",
        "flows/f0.yaml: excluded by a sparse checkout",
        "git sparse-checkout disable",
    )
    git(repo.root, "sparse-checkout", "disable")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    repo.write("flows/f0.yaml", pointer)
    assert_incomplete(repo, "flows/f0.yaml: a Git LFS or git-annex pointer", "lfs: true")
    # Nor if the whole directory is missing.
    git(repo.root, "checkout", "-q", "flows/f0.yaml")
    git(repo.root, "submodule", "--quiet", "deinit", "-f", "--all")
    git(repo.root, "sparse-checkout", "set", "--no-cone", "/*", "!/flows/")
    if (repo.root / "flows").exists():  # it depends on Git's version
        (repo.root / "flows/shared").rmdir()
        (repo.root / "flows").rmdir()
    ran = repo.run("apply", "--yes")
    assert ran.code == 4
    assert "sparse" in ran.err
    assert len(repo.lives()) == 12


def test_checkout__file_removed_from_git_is_deleted(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Git does not answer: the index says whether the checkout is complete."""
    deployed(repo, tmp_path)
    repo.remove("f0")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    ran = repo.run("plan")
    assert ran.code == 0
    assert "warning[git-not-asked]" in ran.out + ran.err
    assert "safe.directory" in ran.out + ran.err
    git(repo.root, "-c", "safe.directory=*", "submodule", "--quiet", "deinit", "-f", "--all")
    assert_incomplete(repo, "flows/shared", "submodules: true")
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    git(repo.root, "submodule", "--quiet", "update", "--init")

    git(repo.root, "rm", "-q", "flows/f1.yaml")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"f0": "delete removed", "f1": "delete removed"})
    commit(repo.root)
    repo.remove("f2")
    commit(repo.root)
    git(repo.root, "sparse-checkout", "set", "--no-cone", "/*", "!/docs/")
    assert repo.apply().reasons() == {"f2": "delete removed"}
    git(repo.root, "rm", "-q", "flows/shared")
    commit(repo.root)
    assert repo.apply("--allow-large").code == 0
    assert set(repo.lives()) == {f"f{number}" for number in range(3, 9)}
