"""Git runs without executing anything that the checkout configures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kestra_sync.repo.git import GitError, git


def test_git__repository_committed_as_files_is_ignored(tmp_path: Path) -> None:
    """Its configuration may name programs; Git would use any directory that looks like one."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "outer")], check=True)
    inner = tmp_path / "outer" / "flows"
    subprocess.run(["git", "init", "--quiet", "--bare", str(inner)], check=True)
    mark = tmp_path / "it-has-run"
    with (inner / "config").open("a", encoding="utf-8") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {mark}"\n\tworktree = ..\n\tbare = false\n')
    said = subprocess.run(
        ["git", "-C", str(inner), "rev-parse", "--absolute-git-dir"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.stdout.strip() == str(inner), "the control: plain git takes it"
    for question in (("rev-parse", "--absolute-git-dir"), ("status", "--porcelain")):
        with pytest.raises(GitError, match="bare repository"):
            git(inner, *question)
    assert not mark.exists()
