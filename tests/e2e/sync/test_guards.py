"""Guards that depend on what the server and other repositories hold."""

from __future__ import annotations

from kestra_sync.model import FlowId
from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, reply, strip_query
from tests.support.repository import assert_refused

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def deployed(repo: Repo, number: int, config: str = "") -> dict[str, bytes]:
    """A repository of so many small flows, all of them on the server and ours."""
    repo.config(config)
    sources = {f"f{index:02}": repo.flow(f"f{index:02}") for index in range(number)}
    assert repo.apply().code == 0
    return sources


def test_ownership__flow_of_another_repository_is_not_taken_over_by_default(repo: Repo) -> None:
    """It is neither adopted nor overwritten; if it is taken over, it has one owner."""
    sources = deployed(repo, 3)
    other = repo.neighbor("other")
    other.config()
    other.flow("f00")
    ours = other.flow("f01", "another idea")
    owned = f"2 of 2 flows are owned by another inventory ({repo.name})"
    ran = assert_refused(other, "other-owner", owned, str(repo.id("f01")), "--take-over")
    assert ran.reasons()["f00"] == "none adopt"
    assert not any(each.key == other.key for each in other.client.kv.search(other.key))
    ran = other.run("plan", "--take-over")
    assert f"2 to remove from the inventory '{repo.name}'" in ran.out
    ran = other.apply("--take-over")
    assert ran.code == 0
    assert f"Removed 2 flows from the inventory '{repo.name}'." in ran.json["recorded"]
    assert other.lives() == sources | {"f01": ours}
    assert set(other.owned()) == {"f00", "f01"}
    assert set(repo.owned()) == {"f02"}
    # The first repository sees the edit and its owner: it does not revert it.
    assert_refused(repo, "other-owner", f"({other.name})")
    # Nor does it delete what was taken over: only the new owner does.
    repo.remove("f00")
    repo.remove("f01")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"f00": "none foreign", "f01": "none foreign"})
    other.remove("f01")
    ran = other.apply()
    assert (ran.code, ran.reasons()) == (0, {"f01": "delete removed", "f02": "none foreign"})
    assert set(other.lives()) == {"f00", "f02"}


def test_prune_scope__spares_flows_of_another_repository(repo: Repo) -> None:
    """And its limit counts all flows on the server."""
    sources = deployed(repo, 3)
    other = repo.neighbor("other")
    other.config("prune: scope\n")
    mine = {f"g{index}": other.flow(f"g{index}") for index in range(2)}
    for name in mine:
        repo.client.flows.create(mine[name])
    for index in range(5):
        repo.client.flows.create(repo.source(f"theirs{index}"))
    assert_refused(other, "too-many-deletions", "5 of 10 live flows would be deleted")
    for index in range(1, 5):
        repo.client.flows.delete(repo.id(f"theirs{index}"))
    ran = other.apply()
    assert ran.code == 0
    assert ran.reasons()["theirs0"] == "delete pruned"
    assert ran.reasons()["f00"] == "none foreign"
    assert other.lives() == sources | mine


def test_prune__unreadable_inventory_stops_it(repo: Repo) -> None:
    """Its contents are unknown, so it might own any flow. Unknown kinds stop nothing."""
    repo.config("prune: scope\n")
    repo.client.flows.create(repo.flow("a"))
    repo.client.flows.create(repo.source("theirs"))
    key = f"kestra-sync.{repo.name}-newer"
    repo.client.kv.put(repo.namespace, key, {"format": 99})
    ran = repo.apply("--allow-large")
    assert ran.code == 4
    assert "newer kestra-sync" in ran.json["error"]["message"]
    assert set(repo.lives()) == {"a", "theirs"}
    theirs = {
        "format": 9,
        "min_reader": 1,
        "name": "theirs",
        "target": {"url": "http://k", "tenant": "main"},
        "resources": [{"kind": "file", "namespace": repo.namespace, "path": "/x.py"}],
    }
    repo.client.kv.put(repo.namespace, key, theirs)
    ran = repo.apply("--allow-large")
    assert (ran.code, ran.reasons()["theirs"]) == (0, "delete pruned")


def test_scope__server_that_ignores_filters_loses_no_flow(repo: Repo, proxy: FaultProxy) -> None:
    """The export brings the whole tenant; everything outside the scope must not even be seen."""
    outside = f"{repo.namespace}2"
    repo.client.flows.create(repo.source("outside", ns=outside))
    deployed(repo, 3, "prune: scope\n")
    try:
        proxy.add(Rule(strip_query, path="/flows/export", times=None))
        repo.remove("f00")
        ran = repo.apply()
        assert (ran.code, ran.reasons()) == (0, {"f00": "delete removed"})
        assert set(repo.lives()) == {"f01", "f02"}
        assert repo.client.flows.get(FlowId(outside, "outside"))
        # Without any query not even single flows can be read: then nothing is written at all.
        proxy.clear()
        proxy.add(Rule(strip_query, times=None))
        repo.flow("f01", "changed")
        repo.remove("f02")
        before = repo.lives()
        assert repo.apply("--allow-large").code not in (0, 6)
        assert repo.lives() == before
    finally:
        repo.client.flows.delete(FlowId(outside, "outside"))


def test_export__empty_response_is_confirmed_first(repo: Repo, proxy: FaultProxy) -> None:
    """Two ANDed filters return an empty archive, so every flow looks deleted."""
    sources = deployed(repo, 3)
    empty = reply(200, {"Content-Type": "application/octet-stream"}, EMPTY_ZIP)
    proxy.add(Rule(empty, path="/flows/export", times=None))
    repo.remove("f00")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"f00": "delete removed"})
    assert repo.lives() == {"f01": sources["f01"], "f02": sources["f02"]}
