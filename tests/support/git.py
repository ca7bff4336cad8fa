"""Git, in repositories that belong to the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def git(directory: Path, *args: str) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        [
            "git", "-c", "user.name=a", "-c", "user.email=a@example.com",
            "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", *args,
        ],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(directory: Path) -> None:
    """Commit all files."""
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "x")


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Isolate Git from the configuration and the environment of the machine."""
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(name)
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
