"""What the record shows, and records that are not ours."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.repository import Repo


def git(repo: Repo, *args: str) -> None:
    subprocess.run(["git", "-C", str(repo.root), *args], check=True, capture_output=True)


def test_records__history_and_inventory(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, with the user and uncommitted files: edited as well as new ones.

    What lies elsewhere in the checkout does not matter, nor does an apply that changes nothing.
    """
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    repo.config()
    assert "No applies" in repo.run("history").out
    assert "does not exist yet" in repo.run("inventory").out
    assert repo.run("inventory", "--format", "json").json["inventory"] is None
    repo.flow("a")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run(["git", *who, *command], cwd=repo.root, check=True)
    (repo.root / "notes.txt").write_text("not a flow")
    repo.client.flows.create(repo.source("foreign"))
    assert repo.apply().code == 0
    repo.flow("b")
    assert repo.apply().code == 0
    repo.flow("a", "two")
    repo.flow("c")
    assert repo.apply().code == 0
    assert repo.apply().code == 0

    ran = repo.run("history")
    assert ran.code == 0
    head, *shown = ran.out.splitlines()
    assert head.split() == ["run", "when", "commit", "branch", "by", "result", "changes"]
    assert ["(dirty)" in each for each in shown] == [True, True, False]
    assert all(" ada " in each for each in shown)
    assert "1 created, 1 updated" in shown[0]
    assert "1 created" in shown[2]
    runs = repo.run("history", "--format", "json").json["runs"]
    assert [(run.get("dirty"), run["by"], run["result"]) for run in runs] == [
        (None, "ada", "applied"),
        (True, "ada", "applied"),
        (True, "ada", "applied"),
    ]
    out = repo.run("inventory").out
    for words in ("(dirty)", f"{repo.namespace}/a", "flows/a.yaml"):
        assert words in out
    assert "foreign" not in out
    record = repo.run("inventory", "--format", "json").json["inventory"]
    assert [each["id"] for each in record["resources"]] == ["a", "b", "c"]
    assert "was not locked" in repo.run("unlock", "--yes").out


def test_record__of_another_tenant_or_server_is_refused(repo: Repo) -> None:
    """A backup that was restored, a database that was copied: nothing of it was deployed here."""
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    mine = repo.inventory()
    repo.remove("b")
    for target, commands in (
        ({"tenant": "copied"}, ("apply --yes",)),
        ({"url": "http://prod.acme"}, ("plan", "apply --yes", "drift", "pull", "doctor")),
    ):
        copied = {**mine, "target": {**mine["target"], **target}}
        repo.client.kv.put(repo.namespace, repo.key, copied)
        for command in commands:
            ran = repo.run(*command.split())
            assert ran.code == 4, (command, ran.out, ran.err)
            assert command != "plan" or "--take-over" in ran.err
    assert set(repo.lives()) == {"a", "b"}
    ran = repo.apply("--take-over")
    assert (ran.code, ran.json["recorded"]) == (0, ["Took over the inventory."])
    assert set(repo.lives()) == {"a"}
    assert repo.inventory()["target"] == mine["target"]


def test_record__of_a_repository_is_refused_in_an_unnamed_checkout(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repo.root.parent))
    git(repo, "init", "-q")
    git(repo, "remote", "add", "origin", "https://github.com/acme/flows.git")
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    assert repo.inventory()["repository"] == "github.com/acme/flows"
    other = repo.neighbor("folder")
    other.label = ""  # the same name, and no Git
    other.config()
    other.flow("a", "another idea")
    ran = other.apply()
    assert ran.code == 4
    assert "repository of this directory is unknown" in ran.json["error"]["message"]
    assert "KESTRA_SYNC_REPOSITORY" in ran.json["error"]["remedy"]
    assert set(repo.lives()) == {"a", "b"}
    monkeypatch.setenv("KESTRA_SYNC_REPOSITORY", "github.com/acme/flows")
    assert other.plan().reasons() == {"a": "update changed", "b": "delete removed"}


def test_adopt__is_a_change_with_exit_code_2(repo: Repo) -> None:
    repo.config()
    for index in range(11):
        repo.client.flows.create(repo.flow(f"f{index:02}"))
    ran = repo.run("plan", "--detailed-exitcode")
    assert (ran.code, "11 flows to adopt" in ran.out) == (2, True)
    applied = repo.run("apply")  # nothing on the server changes: no confirmation needed
    assert (applied.code, "Adopted 11 flows." in applied.out) == (0, True)
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.json["plan"]["summary"]["record"]) == (0, 0)


def test_record__malformed_is_refused(repo: Repo) -> None:
    """By every command; what is malformed is tested with the parser."""
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    odd = {**repo.inventory(), "resources": [{"kind": "flow", "namespace": 1, "id": 2}]}
    repo.client.kv.put(repo.namespace, repo.key, odd)
    for command in (("plan",), ("apply", "--yes"), ("inventory",), ("history",), ("doctor",)):
        ran = repo.run(*command)
        assert ran.code == 4, (command, ran.code, ran.err)


def test_an_environment_can_be_renamed(repo: Repo) -> None:
    repo.config("environments: {prod: {}, production: {}}\n")
    repo.flow("a")
    assert repo.apply("-e", "prod").code == 0
    refused = repo.run("apply", "--yes", "-e", "production")
    remedy = f"kestra-sync inventory rename {repo.name}.prod {repo.name}.production"
    assert (refused.code, remedy in refused.err) == (4, True)
    args = ("-e", "production", "--yes")
    assert repo.run(*remedy.split()[1:], *args).code == 0
    assert repo.run("plan", "--detailed-exitcode", "-e", "production").code == 0


def test_inventory__entries_are_forgotten_and_the_record_is_moved_by_hand(repo: Repo) -> None:
    repo.config()
    sources = {name: repo.flow(name) for name in ("a", "b", "c")}
    assert repo.apply().code == 0
    assert repo.run("inventory", "forget", str(repo.id("nope")), "--yes").code == 64
    ran = repo.run("inventory", "forget", str(repo.id("b")), "--yes")
    assert (ran.code, "It stays on the server." in ran.out) == (0, True)
    assert set(repo.owned()) == {"a", "c"}
    repo.remove("b")
    target = f"{repo.namespace}.state"
    assert repo.run("inventory", "move", "Not A Namespace", "--yes").code == 64
    ran = repo.run("inventory", "move", target, "--yes")
    assert (ran.code, "inventory: {namespace:" in ran.out) == (0, True)
    assert [each.namespace for each in repo.client.kv.search(repo.key)] == [target]
    repo.config(f"inventory: {{namespace: {target}}}\n")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"b": "none foreign"})
    assert ran.json["recorded"] == []
    assert repo.lives() == sources
