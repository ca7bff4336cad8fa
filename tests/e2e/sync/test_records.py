"""``drift``, ``history``, ``inventory`` and ``unlock`` on a real server."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.sync.conftest import Repo


def test_drift__shows_only_changes_by_others(repo: Repo) -> None:
    repo.config()
    repo.flow("edited")
    repo.flow("deleted")
    switched = repo.flow("switched")
    repo.flow("changed_in_git")
    repo.flow("same")
    assert repo.apply().code == 0
    assert repo.run("drift").code == 0
    repo.edit("edited", repo.source("edited", "by hand"))
    repo.client.flows.delete(repo.id("deleted"))
    repo.edit("switched", switched + b"\ndisabled: true")
    repo.flow("changed_in_git", "new")
    repo.client.flows.create(repo.source("foreign"))

    ran = repo.run("drift")
    assert ran.code == 2
    assert f"! {repo.namespace}/deleted" in ran.out
    assert "deleted on the server" in ran.out
    assert "disabled on the server" in ran.out
    assert '-     message: "hello"' in ran.out
    assert '+     message: "by hand"' in ran.out
    assert "changed_in_git" not in ran.out
    assert "foreign" not in ran.out
    assert "Drift: 2 flows changed on the server since the last apply." in ran.out

    document = repo.run("drift", "--format", "json").json
    assert document["exit_code"] == 2
    found = [each["flow"]["id"] for each in document["drifted"]]
    assert found == ["deleted", "edited"]
    assert [each["id"] for each in document["kept_off"]] == ["switched"]
    assert document["drifted"][0]["deleted"] is True


def test_drift__shows_the_edit_even_if_git_changed(repo: Repo) -> None:
    repo.config()
    repo.flow("a", "base")
    repo.apply()
    repo.edit("a", repo.source("a", "theirs"))
    repo.flow("a", "ours")
    ran = repo.run("drift")
    assert ran.code == 2
    assert '-     message: "base"' in ran.out
    assert '+     message: "theirs"' in ran.out
    assert "ours" not in ran.out


def test_drift__needs_a_name(repo: Repo) -> None:
    repo.flow("a")
    ran = repo.run("drift")
    assert ran.code == 64
    assert "name" in ran.err


def test_disabled_flow__is_listed_and_not_drift(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a")
    repo.apply()
    repo.edit("a", source + b"\ndisabled: true")
    for _ in range(2):  # before an apply has recorded it, and after
        ran = repo.run("drift")
        assert ran.code == 0
        assert "1 flow disabled on the server and kept disabled:" in ran.out
        found = repo.run("drift", "--format", "json").json
        assert found["drifted"] == []
        assert [each["id"] for each in found["kept_off"]] == ["a"]
        assert repo.apply().code == 0
    # What else was done to it is drift.
    repo.edit("a", repo.source("a", "by hand") + b"\ndisabled: true")
    assert repo.run("drift").code == 2


def test_history__lists_applies_newest_first(repo: Repo) -> None:
    repo.config()
    assert "No applies" in repo.run("history").out
    repo.flow("a")
    repo.apply()
    repo.flow("a", "two")
    repo.flow("b")
    repo.apply()
    ran = repo.run("history")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == [
        "run", "when", "commit", "branch", "by", "result", "changes"
    ]  # fmt: skip
    assert "1 created, 1 updated" in lines[1]
    assert "1 created" in lines[2]
    runs = repo.run("history", "--format", "json").json["runs"]
    assert [run["result"] for run in runs] == ["applied", "applied"]


def test_history__shows_user_and_uncommitted_files(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edited files as well as new ones; what lies elsewhere in the checkout does not matter."""
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    repo.config()
    repo.flow("a")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run(["git", *who, *words], cwd=repo.root, check=True)
    (repo.root / "notes.txt").write_text("not a flow")
    repo.apply()
    repo.flow("b")
    repo.apply()
    repo.flow("a", "two")
    repo.apply()
    shown = repo.run("history").out.splitlines()[1:]
    assert ["(dirty)" in each for each in shown] == [True, True, False]
    assert all(" ada " in each for each in shown)
    runs = repo.run("history", "--format", "json").json["runs"]
    assert [(run.get("dirty"), run["by"]) for run in runs] == [
        (None, "ada"),
        (True, "ada"),
        (True, "ada"),
    ]
    assert "(dirty)" in repo.run("inventory").out


def test_an_apply_that_changes_nothing_leaves_no_line(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.apply()
    repo.apply()
    assert len(repo.inventory()["history"]) == 1


def test_inventory__lists_owned_resources(repo: Repo) -> None:
    repo.config()
    assert "does not exist yet" in repo.run("inventory").out
    assert repo.run("inventory", "--format", "json").json["inventory"] is None
    repo.flow("a")
    repo.client.flows.create(repo.source("foreign"))
    repo.apply()
    out = repo.run("inventory").out
    assert f"{repo.namespace}/a" in out
    assert "flows/a.yaml" in out
    assert "foreign" not in out
    record = repo.run("inventory", "--format", "json").json["inventory"]
    assert [each["id"] for each in record["resources"]] == ["a"]


def test_unlock__names_the_holder(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    assert "was not locked" in repo.run("unlock", "--yes").out
    repo.client.kv.put(
        repo.namespace,
        f"kestra-sync-lock.{repo.name}",
        {"nonce": "x", "who": "a dead run", "since": "2026-01-01T00:00:00Z"},
        ttl="PT60S",
    )
    refused = repo.apply("--lock-timeout", "0")
    assert refused.code == 5
    assert "a dead run since 2026-01-01T00:00:00Z" in refused.json["error"]["message"]
    assert "held by a dead run" in repo.run("unlock", "--yes").out
    assert repo.apply("--lock-timeout", "0").code == 0


def test_refresh_only_records_and_writes_no_flow(repo: Repo) -> None:
    repo.config()
    repo.client.flows.create(repo.flow("a"))
    repo.client.flows.create(repo.source("b", "theirs"))
    repo.flow("b", "ours")
    ran = repo.run("apply", "--refresh-only")
    assert ran.code == 0
    assert repo.live("b") == repo.source("b", "theirs")
    assert [each["id"] for each in repo.inventory()["resources"]] == ["a"]
    assert repo.plan().reasons() == {"b": "update take-over"}
