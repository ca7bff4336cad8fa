"""``rollback`` restores the state after an earlier run, on a server in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.cli.main import run
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.schemas import check_result
from tests.support.sources import log_flow


class Repo:
    """A repository, and the server it deploys to."""

    def __init__(self, root: Path, server: SmallKestra, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.server, self._capsys = root, server, capsys

    def deploy(self, **flows: str) -> int:
        """Apply exactly these flows, each with its message; the number of the run."""
        for file in (self.root / "flows").iterdir():
            file.unlink()
        for name, message in flows.items():
            (self.root / "flows" / f"{name}.yaml").write_text(log_flow("acme", name, message))
        assert run(["apply", "--yes", "--allow-large", "--on-drift", "overwrite"]) == 0
        return int(self.history()[-1]["generation"])

    def rollback(self, *args: str) -> tuple[int, Any]:
        """The exit code, and the result as JSON."""
        self._capsys.readouterr()
        code = run(["rollback", "--yes", "--allow-large", "--format", "json", *args])
        document = json.loads(self._capsys.readouterr().out)
        check_result(document)
        return code, document

    def history(self) -> Any:
        """The runs, the oldest first."""
        self._capsys.readouterr()
        assert run(["history", "--format", "json"]) == 0
        document = json.loads(self._capsys.readouterr().out)
        check_result(document)
        return document["runs"]

    def live(self) -> dict[str, str]:
        """The messages of the flows that are there."""
        found = self.server.state.live().items()
        return {
            name[1]: text.decode().partition("message: ")[2].strip('"\n') for name, text in found
        }

    def edit(self, name: str, message: str) -> None:
        """Edit a flow on the server, as another user."""
        self.server.state.flows["acme", name].append(log_flow("acme", name, message).encode())


@pytest.fixture
def repo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Repo]:
    """Nothing is deployed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.01)
    (tmp_path / "flows").mkdir()
    (tmp_path / "kestra-sync.yaml").write_text("version: 1\nname: ours\nscope: [acme]\n")
    with SmallKestra() as server:
        server.begin(State())
        monkeypatch.setenv("KESTRA_API_URL", server.url)
        monkeypatch.setenv("KESTRA_USERNAME", "admin")
        monkeypatch.setenv("KESTRA_PASSWORD", "secret")
        yield Repo(tmp_path, server, capsys)


def summary(document: Any) -> dict[str, str]:
    """For each change its action and reason."""
    changes = document["plan"]["changes"]
    return {each["flow"]["id"]: f"{each['action']} {each['reason']}" for each in changes}


def test_rollback__undoes_what_later_runs_have_written(repo: Repo) -> None:
    first = repo.deploy(a="one", b="one", c="one")
    held = repo.server.state.live()
    repo.deploy(a="two", b="one", d="two")  # changed, deleted, created
    repo.deploy(a="three", b="one", d="three")
    code, document = repo.rollback("--to", str(first))
    assert code == 0, document["refusals"]
    assert summary(document) == {"a": "update changed", "c": "create new", "d": "delete undone"}
    assert repo.server.state.live() == held  # to the byte
    newest = repo.history()[-1]
    assert newest["rollback_to"] == first
    # The record agrees with the server, and Git is ahead of both.
    assert run(["drift"]) == 0
    assert run(["plan", "--detailed-exitcode"]) == 2
    # A rollback is a run like any other: it can be undone as well.
    assert repo.rollback("--to", "last")[0] == 0
    assert repo.live() == {"a": "three", "b": "one", "d": "three"}


def test_rollback__to_last_undoes_the_newest_run(repo: Repo) -> None:
    repo.deploy(a="one")
    repo.deploy(a="two")
    repo.deploy(a="three")
    assert repo.rollback()[0] == 0
    assert repo.live() == {"a": "two"}
    assert repo.rollback("--to", str(repo.history()[-1]["generation"]))[0] == 0
    assert repo.live() == {"a": "two"}  # nothing was applied since


def test_rollback__leaves_edits_of_others_alone(repo: Repo) -> None:
    first = repo.deploy(a="one", b="one")
    repo.deploy(a="two", b="one")
    repo.edit("b", "theirs")
    repo.edit("a", "theirs")
    code, document = repo.rollback("--to", str(first))
    assert (code, summary(document)) == (5, {"a": "update conflict"})
    assert repo.live() == {"a": "theirs", "b": "theirs"}
    assert repo.rollback("--to", str(first), "--on-drift", "overwrite")[0] == 0
    assert repo.live() == {"a": "one", "b": "theirs"}


def test_rollback__restores_what_we_applied_and_not_an_edit_in_between(repo: Repo) -> None:
    first = repo.deploy(a="one")
    repo.edit("a", "theirs")
    repo.deploy(a="two")
    repo.edit("a", "theirs again")
    repo.deploy(a="one")
    repo.deploy(a="four")
    assert repo.rollback("--to", str(first))[0] == 0
    assert repo.live() == {"a": "one"}


def test_rollback__says_what_the_server_no_longer_keeps(repo: Repo) -> None:
    first = repo.deploy(a="one", b="one")
    repo.deploy(a="two", b="two")
    repo.server.state.flows["acme", "a"][0] = None  # its revision was deleted
    code, document = repo.rollback("--to", str(first))
    assert code == 4
    assert [each["rule"] for each in document["refusals"]] == ["not-restorable"]
    assert [each["flow"] for each in document["diagnostics"]] == ["acme/a"]
    assert repo.live() == {"a": "two", "b": "two"}
    assert repo.rollback("--to", str(first), "--partial")[0] == 0
    assert repo.live() == {"a": "two", "b": "one"}


def test_rollback__dry_run_and_selection(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    first = repo.deploy(a="one", b="one")
    repo.deploy(a="two", b="two")
    assert repo.rollback("--to", str(first), "--dry-run")[0] == 0
    assert repo.live() == {"a": "two", "b": "two"}
    assert repo.rollback("--to", str(first), "--only", "acme/b")[0] == 0
    assert repo.live() == {"a": "two", "b": "one"}
    assert run(["rollback", "--to", str(first), "--dry-run"]) == 0
    assert f"to run {first}" in capsys.readouterr().out
    # Without a terminal and without --yes nothing is written.
    assert run(["rollback", "--to", str(first), "--allow-large"]) == 64
    assert repo.live() == {"a": "two", "b": "one"}


def test_rollback__runs_that_cannot_be_restored(
    repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["rollback", "--yes"]) == 64
    assert "no apply is recorded" in capsys.readouterr().err
    first = repo.deploy(a="one")
    assert run(["rollback", "--yes"]) == 64
    assert "only one run" in capsys.readouterr().err
    assert run(["rollback", "--yes", "--to", "77"]) == 64
    assert f"the newest are {first}" in capsys.readouterr().err
    # The history keeps a limited number of writes; those of the oldest runs go first.
    monkeypatch.setattr("kestra_sync.apply.record._REPLACED", 1)
    second = repo.deploy(a="two", b="two")
    third = repo.deploy(a="three", b="two")
    assert run(["rollback", "--yes", "--to", str(first)]) == 64
    assert f"the history does not contain what run {second} replaced" in capsys.readouterr().err
    assert run(["rollback", "--yes", "--to", str(second), "--allow-large"]) == 0
    assert third > second
    assert repo.live() == {"a": "two", "b": "two"}


def test_history__names_runs_and_rollbacks(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    first = repo.deploy(a="one")
    repo.deploy(a="two")
    repo.rollback()
    assert run(["history"]) == 0
    newest = capsys.readouterr().out.splitlines()[1]
    assert newest.endswith(f"1 updated (rollback to run {first})")
