"""The record is found in any namespace, can be moved and renamed, and is bound to its server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, call_first, drop_answer, replace_answer, reply

NOTHING = json.dumps({"results": [], "total": 0})
JSON = {"Content-Type": "application/json"}
TENANT_KEYS = r"/api/v1/[^/]+/kv$"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused for good is not waited for."""
    for module in ("others", "read"):
        pauses = f"kestra_sync.inventory.{module}._PAUSES"
        monkeypatch.setattr(pauses, (0.01, 0.01, 0.01))


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


def test_record__is_moved_when_the_scope_is_reordered(repo: Repo, proxy: FaultProxy) -> None:
    """Also if the move is interrupted, and if the scope is narrowed."""
    two_namespaces(repo)
    scoped(repo, "b", "a")
    assert "the next apply moves it" in repo.run("inventory").out
    assert f"in {repo.namespace}.a (the next apply moves it to" in repo.run("doctor").out
    ran = repo.run("plan", "--detailed-exitcode")
    moves = f"the inventory moves from {repo.namespace}.a to {repo.namespace}.b"
    assert (ran.code, moves in ran.out) == (2, True)
    refused = Rule(reply(503), "PUT", rf"/{repo.namespace}.b/kv/kestra-sync\.", times=None)
    proxy.add(refused)
    assert repo.apply().code != 0
    proxy.clear()
    repo.remove("one")
    applied = repo.apply()
    assert applied.code == 0
    assert applied.reasons() == {"one": "delete removed"}
    assert applied.json["recorded"] == ["Moved the inventory to its new namespace."]
    assert places(repo) == [f"{repo.namespace}.b"]
    assert len(record(repo, "b")["resources"]) == 3
    assert "moved_from" not in record(repo, "b")

    # Back again, and the old one cannot be removed at first.
    scoped(repo, "a", "b")
    kept = Rule(reply(403), "DELETE", rf"/{repo.namespace}.b/kv/kestra-sync\.", times=None)
    proxy.add(kept)
    assert repo.apply().code == 0
    proxy.clear()
    assert repo.apply().code == 0
    assert places(repo) == [f"{repo.namespace}.a"]
    assert len(record(repo, "a")["resources"]) == 3

    # What is outside of the scope now is still known as ours.
    for name in ("two", "three"):
        repo.remove(name)
    scoped(repo, "b")
    repo.flow("four", "changed", ns=f"{repo.namespace}.b")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"four": "update changed"})
    assert places(repo) == [f"{repo.namespace}.b"]
    assert len(record(repo, "b")["resources"]) == 3
    assert repo.run("plan", "--detailed-exitcode").code == 0


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


@pytest.mark.usefixtures("_impatient")
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


@pytest.mark.usefixtures("_impatient")
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
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"new": "update changed"})
    assert set(repo.owned()) == {"same", "new"}
