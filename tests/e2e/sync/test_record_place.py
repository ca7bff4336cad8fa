"""The record is found in any namespace, can be moved and renamed, and is bound to its server."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, call_first, drop_answer, replace_answer, reply

NOTHING = json.dumps({"results": [], "total": 0})
JSON = {"Content-Type": "application/json"}
TENANT_KEYS = r"/api/v1/[^/]+/kv$"


def scoped(repo: Repo, *below: str, more: str = "") -> None:
    """A configuration whose scope are these namespaces below the test's own."""
    scope = ", ".join(f"{repo.namespace}.{each}" for each in below)
    text = f"version: 1\nname: {repo.name}\nsource: flows\nscope: [{scope}]\n{more}"
    repo.write("kestra-sync.yaml", text)


def two_namespaces(repo: Repo) -> None:
    """Flows in two namespaces, deployed; the record is in the first one."""
    scoped(repo, "a", "b")
    for name in ("one", "two", "three"):
        repo.flow(name, ns=f"{repo.namespace}.a")
    repo.flow("four", ns=f"{repo.namespace}.b")
    assert repo.apply().code == 0
    assert places(repo) == [f"{repo.namespace}.a"]


def places(repo: Repo) -> list[str]:
    """The namespaces that hold our record."""
    return [each.namespace for each in repo.client.kv.search(repo.key) if each.key == repo.key]


def record(repo: Repo, below: str) -> Any:
    return repo.client.kv.get(f"{repo.namespace}.{below}", repo.key)


def test_record__is_moved_when_the_scope_is_reordered(repo: Repo) -> None:
    two_namespaces(repo)
    scoped(repo, "b", "a")
    assert "the next apply moves it" in repo.run("inventory").out
    assert f"in {repo.namespace}.a (the next apply moves it to" in repo.run("doctor").out
    ran = repo.run("plan", "--detailed-exitcode")
    moves = f"the inventory moves from {repo.namespace}.a to {repo.namespace}.b"
    assert (ran.code, moves in ran.out) == (2, True)
    repo.remove("one")
    applied = repo.apply()
    assert applied.code == 0
    assert applied.reasons() == {"one": "delete removed"}
    assert applied.json["recorded"] == ["Moved the inventory to its new namespace."]
    assert places(repo) == [f"{repo.namespace}.b"]
    assert len(record(repo, "b")["resources"]) == 3
    assert "moved_from" not in record(repo, "b")
    assert repo.run("plan", "--detailed-exitcode").code == 0


def test_record__is_kept_when_the_scope_is_narrowed(repo: Repo) -> None:
    two_namespaces(repo)
    for name in ("one", "two", "three"):
        repo.remove(name)
    scoped(repo, "b")
    repo.flow("four", "changed", ns=f"{repo.namespace}.b")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"four": "update changed"})
    assert places(repo) == [f"{repo.namespace}.b"]
    # What is outside of the scope now is still known as ours.
    assert len(record(repo, "b")["resources"]) == 4


@pytest.mark.parametrize("when", ["before the new one", "before the old one goes"])
def test_record__interrupted_move_is_completed_by_the_next_run(
    repo: Repo, proxy: FaultProxy, when: str
) -> None:
    two_namespaces(repo)
    scoped(repo, "b", "a")
    where = f"{repo.namespace}.b" if when == "before the new one" else f"{repo.namespace}.a"
    method = "PUT" if when == "before the new one" else "DELETE"
    fault = reply(503) if method == "PUT" else reply(403)
    proxy.add(Rule(fault, method, rf"/{where}/kv/kestra-sync\.", times=None))
    first = repo.apply()
    proxy.clear()
    assert (first.code == 0) is (method == "DELETE")
    ran = repo.apply()
    assert ran.code == 0, ran.out
    assert places(repo) == [f"{repo.namespace}.b"]
    assert len(record(repo, "b")["resources"]) == 4
    assert repo.run("plan", "--detailed-exitcode").code == 0


def test_record__of_another_tenant_or_server_is_refused(repo: Repo) -> None:
    """A backup that was restored, a database that was copied: nothing of it was deployed here."""
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    mine = repo.inventory()
    repo.remove("b")
    for target in ({"url": mine["target"]["url"], "tenant": "copied"}, {"url": "http://prod.acme"}):
        copied = {**mine, "target": {**mine["target"], **target}}
        repo.client.kv.put(repo.namespace, repo.key, copied)
        for command in (("plan",), ("apply", "--yes"), ("drift",), ("pull",), ("doctor",)):
            ran = repo.run(*command)
            assert ran.code == 4, (command, ran.out, ran.err)
        assert "--take-over" in repo.run("plan").err
        assert set(repo.lives()) == {"a", "b"}
    ran = repo.apply("--take-over")
    assert (ran.code, ran.json["recorded"]) == (0, ["Took over the inventory."])
    assert set(repo.lives()) == {"a"}
    assert repo.inventory()["target"] == mine["target"]
    assert repo.run("plan", "--detailed-exitcode").code == 0


def git(repo: Repo, *args: str) -> None:
    subprocess.run(["git", "-C", str(repo.root), *args], check=True, capture_output=True)


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


def test_inventory__renamed_is_reported_and_can_be_renamed(repo: Repo, proxy: FaultProxy) -> None:
    """Also if the responses to both of its writes are lost."""
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    old, new = repo.name, f"{repo.name}-new"
    text = (repo.root / "kestra-sync.yaml").read_text().replace(f"name: {old}", f"name: {new}")
    repo.write("kestra-sync.yaml", text)
    refused = repo.run("apply", "--yes")
    assert refused.code == 4
    assert f"kestra-sync inventory rename {old} {new}" in refused.err
    assert f"inventory rename {old} {new}" in repo.run("doctor").out
    assert repo.run("inventory", "rename", old, new).code == 64  # no terminal to ask on
    stored = proxy.add(Rule(drop_answer, "PUT", rf"/kv/kestra-sync\.{new}$"))
    removed = proxy.add(Rule(drop_answer, "DELETE", rf"/kv/kestra-sync\.{old}$"))
    done = repo.run("inventory", "rename", old, new, "--yes", "--format", "json")
    assert (stored.seen, removed.seen) == (2, 1)  # stored twice, seen to be removed
    assert (done.code, done.json["done"]) == (0, True)
    keys = {each.key for each in repo.client.kv.search(old)}
    assert keys == {f"kestra-sync.{new}"}
    repo.remove("b")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"b": "delete removed"})
    assert repo.run("inventory", "rename", old, new, "--yes").code == 64  # it is gone


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


def test_flows_can_be_forgotten(repo: Repo) -> None:
    repo.config()
    sources = {name: repo.flow(name) for name in ("a", "b", "c")}
    assert repo.apply().code == 0
    assert repo.run("inventory", "forget", str(repo.id("nope")), "--yes").code == 64
    ran = repo.run("inventory", "forget", str(repo.id("b")), "--yes")
    assert (ran.code, "It stays on the server." in ran.out) == (0, True)
    assert set(repo.owned()) == {"a", "c"}
    repo.remove("b")
    assert repo.plan().reasons() == {"b": "none foreign"}
    assert repo.apply().code == 0
    assert repo.lives() == sources


def test_the_record_can_be_moved_by_hand(repo: Repo) -> None:
    two_namespaces(repo)
    target = f"{repo.namespace}.state"
    assert repo.run("inventory", "move", "Not A Namespace", "--yes").code == 64
    ran = repo.run("inventory", "move", target, "--yes")
    assert (ran.code, "inventory: {namespace:" in ran.out) == (0, True)
    assert places(repo) == [target]
    scoped(repo, "a", "b", more=f"inventory: {{namespace: {target}}}\n")
    assert repo.run("plan", "--detailed-exitcode").code == 0


def test_key_list__empty_list_is_rejected(repo: Repo, proxy: FaultProxy) -> None:
    """It hides the inventories of others, and makes their flows look unowned."""
    repo.config()
    theirs = {name: repo.flow(name) for name in ("x", "y")}
    assert repo.apply().code == 0
    other = repo.neighbor("other")
    other.config("prune: scope\n")
    mine = {f"g{index}": other.flow(f"g{index}") for index in range(6)}
    lie = Rule(replace_answer(200, JSON, NOTHING), "GET", TENANT_KEYS, times=None)
    proxy.add(lie)
    first = other.apply(
        "--allow-large"
    )  # no record yet: the key of its lock is missing in that list
    assert first.code == 69
    assert other.lives() == theirs
    proxy.clear()
    assert other.apply().code == 0
    other.flow("g0", "changed")
    proxy.add(lie)
    second = other.apply("--allow-large")
    assert second.code == 69
    assert other.lives() == theirs | mine
    proxy.clear()
    proxy.add(Rule(replace_answer(200, JSON, NOTHING), "GET", TENANT_KEYS))  # once only
    assert other.apply().code == 0
    assert other.lives() == theirs | mine | {"g0": other.source("g0", "changed")}


def test_record__seemingly_absent_is_not_overwritten(repo: Repo, proxy: FaultProxy) -> None:
    """A gateway that responds with 404 must not make this look like a first apply."""
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    before = repo.inventory()
    repo.flow("a", "changed")
    gone = json.dumps({"message": "Not Found: Key not found"})
    proxy.add(Rule(reply(404, JSON, gone), "GET", rf"/kv/{repo.key}$", times=None))
    ran = repo.apply()
    assert ran.code == 69
    assert repo.inventory() == before


def test_take_over__removes_flows_from_the_other_inventory(repo: Repo) -> None:
    """Otherwise, both would own them, and neither would delete them."""
    repo.config()
    for name in ("a", "b", "c"):
        repo.flow(name)
    assert repo.apply().code == 0
    other = repo.neighbor("other")
    other.config()
    other.flow("a")
    other.flow("b", "another idea")
    ran = other.run("plan", "--take-over")
    assert f"2 to remove from the inventory '{repo.name}'" in ran.out
    ran = other.apply("--take-over")
    assert ran.code == 0
    assert f"Removed 2 flows from the inventory '{repo.name}'." in ran.json["recorded"]
    assert set(other.owned()) == {"a", "b"}
    assert set(repo.owned()) == {"c"}
    # From now on the new owner deletes them, without being asked again.
    other.remove("b")
    ran = other.apply()
    assert (ran.code, ran.reasons()) == (0, {"b": "delete removed", "c": "none foreign"})
    assert set(other.lives()) == {"a", "c"}


def test_take_over__rollback_returns_the_flows(repo: Repo, proxy: FaultProxy) -> None:
    repo.config()
    theirs = repo.flow("a")
    assert repo.apply().code == 0
    other = repo.neighbor("other")
    other.config()
    other.flow("a", "another idea")
    other.flow("b")
    proxy.add(Rule(reply(422, JSON, '{"message": "no"}'), "POST", r"/flows$"))
    ran = other.apply("--take-over", "--rollback", "--parallelism", "1")
    assert ran.code == 1
    assert other.lives() == {"a": theirs}
    assert set(repo.owned()) == {"a"}
    assert other.owned() == {}


def test_adopt__is_a_change_with_exit_code_2(repo: Repo) -> None:
    repo.config()
    for index in range(11):
        repo.client.flows.create(repo.flow(f"f{index:02}"))
    ran = repo.run("plan", "--detailed-exitcode")
    assert (ran.code, "11 flows to adopt" in ran.out) == (2, True)
    assert repo.plan().json["plan"]["summary"]["record"] == 11
    applied = repo.run("apply")  # nothing on the server changes: no confirmation needed
    assert (applied.code, "Adopted 11 flows." in applied.out) == (0, True)
    assert repo.run("plan", "--detailed-exitcode").code == 0


def test_drift_that_fails_is_not_said_to_be_reverted(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    repo.edit("a", repo.source("a", "theirs"))
    ran = repo.run("plan", "--on-drift", "fail")
    assert ran.code == 5
    assert "will be reverted" not in ran.out
    assert "refused (--on-drift fail)" in ran.out


def test_unknown_kinds_of_another_inventory_stop_nothing(repo: Repo) -> None:
    repo.config("prune: scope\n")
    repo.client.flows.create(repo.flow("a"))
    theirs = {
        "format": 9,
        "min_reader": 1,
        "name": "theirs",
        "target": {"url": "http://k", "tenant": "main"},
        "resources": [{"kind": "file", "namespace": repo.namespace, "path": "/x.py"}],
    }
    repo.client.kv.put(repo.namespace, f"kestra-sync.{repo.name}-theirs", theirs)
    repo.client.flows.create(repo.source("nobodys"))
    ran = repo.apply("--allow-large")
    assert (ran.code, ran.reasons()["nobodys"]) == (0, "delete pruned")


def test_record__malformed_is_refused(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    record = repo.inventory()
    for odd in (
        {**record, "name": {"a": 1}},
        {**record, "resources": [{"kind": "flow", "namespace": 1, "id": 2}]},
        {**record, "history": "x"},
        {**record, "branch": "\ud800"},
        {**record, "intent": {"writes": [1]}},
        {**record, "generation": 1.5},
    ):
        try:
            repo.client.kv.put(repo.namespace, repo.key, odd)
        except Exception:  # the server itself may refuse it
            continue
        for command in (("plan",), ("apply", "--yes"), ("inventory",), ("history",), ("doctor",)):
            ran = repo.run(*command)
            assert ran.code == 4, (odd, command, ran.code, ran.err)


def test_lock__two_presumed_holders_do_not_lose_flows(repo: Repo, proxy: FaultProxy) -> None:
    """One is killed after its write, and the other has overwritten its record: still ours."""
    repo.config()
    repo.flow("same")
    assert repo.apply().code == 0
    before = repo.inventory()
    repo.flow("new", "of the killed run")

    def overtake() -> None:
        repo.client.kv.put(repo.namespace, repo.key, {**before, "nonce": "b", "generation": 9})

    # After its write the run finds another record than its own, and cannot store the result.
    proxy.add(Rule(call_first(overtake), "POST", r"/flows$"))
    ran = repo.apply()
    assert ran.code == 6
    assert "the inventory was not written" in ran.json["notes"][-1]
    assert repo.inventory()["nonce"] == "b"
    # Git has moved on: the flow is neither adopted by equality nor refused as owned by others.
    repo.flow("new", "changed since")
    assert repo.plan().reasons() == {"new": "update changed"}
    assert repo.apply().code == 0
    # And one that Git has dropped since is deleted.
    assert set(repo.owned()) == {"same", "new"}
