"""The three-way table against a real server; each of its rows has a unit test."""

from __future__ import annotations

import json

from tests.e2e.sync.conftest import Repo

OFF = b"disabled: true\n"


def test_three_way__each_row_is_planned_and_applied(repo: Repo) -> None:
    repo.config()
    names = "same refreshed changed recreated removed dropped old x z"
    for name in names.split():
        repo.flow(name, name)
    drifted, off_kept = repo.flow("drifted"), repo.flow("off_kept")
    for name in ("off_changed", "off_removed"):
        repo.flow(name)
    repo.flow("off_false", extra="disabled: false\n")
    protected = repo.flow("protected", extra="# kestra-sync: keep\n")
    assert repo.apply().code == 0
    (resource,) = [each for each in repo.inventory()["resources"] if each["id"] == "same"]
    assert (resource["path"], resource["revision"]) == ("flows/same.yaml", 1)
    assert json.dumps(repo.inventory()).count(resource["file_sha256"]) == 1
    assert repo.inventory()["history"][-1]["result"] == "applied"
    assert "intent" not in repo.inventory()
    assert repo.plan("--detailed-exitcode").code == 0

    repo.edit("refreshed", repo.flow("refreshed", "new"))
    changed = repo.flow("changed", "in Git")
    repo.edit("drifted", repo.source("drifted", "by hand"))
    repo.client.flows.create(repo.flow("adopted"))
    for name in ("dropped", "recreated"):
        repo.client.flows.delete(repo.id(name))
    for name in ("off_kept", "off_changed", "off_removed"):
        repo.edit(name, repo.source(name) + b"\n" + OFF.strip())
    repo.edit("off_false", repo.source("off_false", extra=OFF.decode()))
    off_changed = repo.flow("off_changed", "two")
    for name in ("removed", "dropped", "old", "off_removed", "protected"):
        repo.remove(name)
    new, moved = repo.flow("new"), repo.flow("moved", "old")
    theirs = repo.source("theirs")
    repo.client.flows.create(theirs)
    untouched = repo.plan("--prune", "none").reasons()
    assert untouched["removed"] == untouched["old"] == "none untouched"
    text = repo.run("plan", "--detailed-exitcode")
    assert text.code == 2
    for words in (
        "drift: edited on the server, will be reverted",
        "deleted on the server, will be recreated",
        "not owned, left alone",
        f"moved from {repo.namespace}/old",
        "kept because of '# kestra-sync: keep'",
    ):
        assert words in text.out

    ran = repo.apply()
    assert ran.code == 0, ran.err
    assert ran.reasons() == {
        "refreshed": "none refreshed",
        "changed": "update changed",
        "drifted": "update drift",
        "adopted": "none adopt",
        "recreated": "create recreated",
        "dropped": "none dropped",
        "off_kept": "none kept-off",
        "off_changed": "update kept-off",
        "off_removed": "delete removed",
        "off_false": "update drift",
        "removed": "delete removed",
        "protected": "none protected",
        "new": "create new",
        "moved": "move moved",
        "theirs": "none foreign",
    }
    goal = {
        **{name: repo.source(name, name) for name in ("same", "recreated", "x", "z")},
        "refreshed": repo.source("refreshed", "new"),
        "adopted": repo.source("adopted"),
        "changed": changed,
        "drifted": drifted,
        "new": new,
        "protected": protected,
        "off_kept": off_kept + b"\n" + OFF.strip(),
        "off_changed": off_changed + OFF,
        "theirs": theirs,
        "off_false": repo.source("off_false", extra="disabled: false\n"),
        "moved": moved,
    }
    assert repo.lives() == goal
    assert set(repo.owned()) == set(goal) - {"theirs"}
    assert repo.revision("adopted") == 1

    # A flow that was disabled stays so, whatever Git changes, until --re-enable.
    off_changed = repo.flow("off_changed", "three")
    ran = repo.apply()
    settled = {"off_kept": "none kept-off", "protected": "none protected", "theirs": "none foreign"}
    assert (ran.code, ran.reasons()) == (0, {**settled, "off_changed": "update kept-off"})
    assert repo.lives() == goal | {"off_changed": off_changed + OFF}
    ran = repo.apply("--re-enable")
    enabled = {"off_kept": "update re-enabled", "off_changed": "update re-enabled"}
    assert (ran.code, ran.reasons()) == (0, {**settled, **enabled})
    assert repo.lives() == goal | {"off_kept": off_kept, "off_changed": off_changed}


def test_conflict__changed_on_both_sides(repo: Repo) -> None:
    repo.config()
    for name in ("both", "drifted", "removed", "x", "y"):
        repo.flow(name)
    assert repo.apply().code == 0
    for name in ("both", "drifted", "removed"):
        repo.edit(name, repo.source(name, "theirs"))
    repo.flow("both", "ours")
    repo.remove("removed")
    before = repo.lives()
    ran = repo.apply()
    reasons = {"both": "update conflict", "removed": "delete conflict", "drifted": "update drift"}
    assert (ran.code, ran.reasons(), ran.refused()) == (5, reasons, ["conflict"])
    text = repo.run("apply", "--yes", "--on-drift", "fail")
    assert text.code == 5
    assert "will be reverted" not in text.out
    assert "refused (--on-drift fail)" in text.out
    assert "refused[drift]" in text.err
    kept = repo.apply("--on-drift", "keep")
    assert (kept.code, kept.reasons()) == (0, dict.fromkeys(reasons, "none drift-kept"))
    assert repo.lives() == before
    assert repo.apply("--on-drift", "overwrite").code == 0
    assert repo.lives() == {
        **{name: repo.source(name) for name in ("drifted", "x", "y")},
        "both": repo.source("both", "ours"),
    }


def test_first_contact__different_flow_is_refused_without_take_over(repo: Repo) -> None:
    """A flow created on the server has the id of one in Git: which one is kept?"""
    repo.config()
    theirs = repo.source("a", "theirs")
    repo.client.flows.create(theirs)
    repo.flow("a", "ours")
    text = repo.run("apply", "--yes", "--on-drift", "fail")
    assert text.code == 4
    assert "different on the server, refused" in text.out
    assert '-     message: "theirs"' in text.out
    assert "refused[first-contact]" in text.err
    assert "--take-over" in text.err
    assert repo.live("a") == theirs
    allowed = repo.run("plan", "--take-over")
    assert (allowed.code, "not owned yet, will be taken over" in allowed.out) == (0, True)
    repo.config("on_first_contact: overwrite\n")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"a": "update take-over"})
    assert repo.live("a") == repo.source("a", "ours")


def test_inventory__loss_deletes_nothing(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    repo.client.kv.delete(repo.namespace, repo.key)
    repo.remove("b")
    repo.flow("a", "changed")
    ran = repo.apply()
    reasons = {"a": "update take-over", "b": "none foreign"}
    assert (ran.code, ran.reasons(), ran.refused()) == (4, reasons, ["first-contact"])
    assert repo.apply("--take-over").code == 0
    assert set(repo.lives()) == {"a", "b"}
    assert repo.live("a") == repo.source("a", "changed")


def test_without_a_configuration_nothing_is_owned_or_pruned(repo: Repo) -> None:
    """Everything would be a first contact, so it never refuses."""
    repo.client.flows.create(repo.source("a", "theirs"))
    repo.flow("a")
    assert repo.apply().code == 0
    assert repo.live("a") == repo.source("a")
    repo.flow("a", "two")
    repo.client.flows.create(repo.source("b"))
    ran = repo.plan()
    assert ran.reasons() == {"a": "update changed", "b": "none foreign"}
    assert not any(each.key == repo.key for each in repo.client.kv.search("kestra-sync"))
