"""The command that a report proposes reproduces the plan, regardless of its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.repository import Repo

_NEXT = re.compile(r"apply exactly this plan:\n+```sh\n(?P<command>[^\n]+)\n```")


def deployed(repo: Repo) -> None:
    """Eight flows that are ours, as in Git."""
    for number in range(8):
        repo.flow(f"f{number:02}")
    assert repo.apply("--on-drift", "overwrite", "--re-enable").code == 0


def _deleted(repo: Repo) -> None:
    """And skipped, and disabled."""
    for number in range(3):
        repo.remove(f"f{number:02}")
    repo.write("flows/.kestraignore", "f03.yaml\n")
    repo.edit("f04", repo.source("f04") + b"disabled: true\n")


def _edited(repo: Repo) -> None:
    repo.edit("f00", repo.source("f00", "by hand"))
    repo.flow("f00", "in Git")
    repo.edit("f01", repo.source("f01", "by hand"))
    repo.flow("f02", "in Git")


def _foreign(repo: Repo) -> None:
    repo.client.flows.create(repo.source("foreign"))


def test_each_printed_command_and_each_saved_plan_is_carried_out(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.config()
    for number, (make, options) in enumerate(
        [
            (_deleted, ["--allow-large", "--allow-skipped-delete", "--re-enable"]),
            (_edited, ["--only", "*/f01", "--exclude", "*/f02"]),
            (_edited, ["--on-drift", "overwrite"]),
            (_edited, ["--strict", "--on-drift=overwrite", "flows"]),
            (_deleted, ["--allow-large", "--allow-skipped-delete"]),
            (_foreign, ["--prune", "scope"]),
        ]
    ):
        repo.write("flows/.kestraignore", "")
        deployed(repo)
        make(repo)
        ran = repo.run("plan", "--out", "plan.json", "-o", "markdown=plan.md", *options)
        assert ran.code == 0, (options, ran.err)
        found = _NEXT.search(Path("plan.md").read_text())
        assert found is not None, options
        words = shlex.split(found["command"])
        assert words[:2] == ["kestra-sync", "apply"]
        if options == ["--prune", "scope"]:  # the same from a variable
            monkeypatch.setenv("KESTRA_SYNC_PRUNE", "scope")
            repo.run("plan", "-o", "markdown=plan.md")
            monkeypatch.delenv("KESTRA_SYNC_PRUNE")
            again = _NEXT.search(Path("plan.md").read_text())
            assert again is not None
            assert shlex.split(again["command"]) == words
        args = ["apply", "--plan", "plan.json"] if number % 2 == 0 else [*words[1:], "--yes"]
        done = repo.run(*args, "--format", "json")
        # A refusal or another plan would not be 0, and without changes there is no outcome.
        assert (done.code, bool(done.outcomes())) == (0, True), (options, args, done.err)
