"""``--rollback``: a failed apply restores everything, or reports what it could not restore."""

from __future__ import annotations

import pytest

from kestra_sync.client.errors import InvalidContent
from kestra_sync.model import sha256
from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, call_first, drop_answer, reply
from tests.support.sources import SUBFLOW, flow, task

pytestmark = pytest.mark.versions

REFUSED = reply(422, {"Content-Type": "application/json"}, '{"message": "no"}')
FAILED = reply(500, {"Content-Type": "application/json"}, '{"message": "out of order"}')


def prepared(repo: Repo) -> tuple[dict[str, bytes], list[object]]:
    """Ready for a run that creates, updates, deletes, takes over and moves, in a known order.

    ``z_last`` calls all that is created or updated, so it is written after them.
    """
    repo.config("on_first_contact: overwrite\n")
    for name in ("update", "gone", "stays", "z_last", "old_name"):
        repo.flow(name, name)
    assert repo.apply().code == 0
    repo.client.flows.create(repo.source("taken", "theirs"))
    before = repo.lives()
    repo.flow("create", "new")
    repo.flow("update", "changed")
    repo.flow("taken", "ours")
    repo.remove("gone")
    repo.remove("old_name")
    repo.flow("new_name", "old_name")
    repo.write("flows/z_last.yaml", calling(repo.namespace, "create", "update", "taken"))
    return before, repo.inventory()["resources"]


def calling(namespace: str, *names: str) -> str:
    """A flow that calls others, one after another."""
    calls = (
        task(SUBFLOW, f"t{number}", namespace=namespace, flowId=name)
        for number, name in enumerate(names)
    )
    return flow(namespace, "z_last", "".join(calls))


def entries(resources: list[object]) -> list[object]:
    """The entries of the record, without revisions: going back makes new ones."""
    return [{**each, "revision": 0} for each in resources if isinstance(each, dict)]


@pytest.mark.once
def test_rollback__restores_everything_if_a_write_fails(repo: Repo, proxy: FaultProxy) -> None:
    """So the same apply can be run again: with other failures, and edits by others."""
    before, recorded = prepared(repo)
    proxy.add(Rule(REFUSED, "PUT", "/z_last$", times=None))
    ran = repo.apply("--rollback")
    assert ran.code == 1
    assert ran.outcomes() == {
        "create": "applied",
        "update": "applied",
        "taken": "applied",
        "new_name": "applied",
        "z_last": "failed",
        "gone": "not-attempted",
        "old_name": "not-attempted",
    }
    assert set(ran.restored()) >= {"create", "update", "taken", "new_name"}
    assert set(ran.restored().values()) == {"restored"}
    assert repo.lives() == before
    assert entries(repo.inventory()["resources"]) == entries(recorded)
    assert "intent" not in repo.inventory()
    assert repo.inventory()["history"][-1]["result"] == "rolled-back"
    proxy.clear()

    # Lost responses are resolved by reading.
    proxy.add(Rule(FAILED, "PUT", "/z_last$", times=None))
    proxy.add(Rule(drop_answer, "DELETE", "/create$"))
    proxy.add(Rule(drop_answer, "PUT", "/update$", nth=2))
    ran = repo.apply("--rollback")
    assert (ran.code, set(ran.restored().values())) == (1, {"restored"})
    assert repo.lives() == before
    proxy.clear()

    # An edit right before the write is what was replaced.
    theirs = repo.source("update", "by hand, in the last moment")
    proxy.add(Rule(call_first(lambda: repo.edit("update", theirs)), "PUT", "/update$"))
    ran = repo.apply("--rollback")
    assert ran.outcomes()["update"] == "conflict"
    assert ran.restored()["update"] == "restored"
    assert repo.lives() == before | {"update": theirs}
    repo.edit("update", before["update"])
    proxy.clear()

    # The record that could not be restored is reported, and completed by the next run.
    proxy.add(Rule(REFUSED, "PUT", "/z_last$", times=None))
    proxy.add(Rule(reply(403), "PUT", r"/kv/kestra-sync\.", nth=2))
    ran = repo.apply("--rollback")
    assert ran.code == 6
    assert "the inventory could not be written" in ran.json["notes"][0]
    assert repo.lives() == before
    proxy.clear()
    assert repo.apply().code == 0
    assert set(repo.lives()) == {"create", "update", "taken", "new_name", "stays", "z_last"}
    assert repo.agrees()
    assert repo.plan().reasons() == {}


@pytest.mark.once
def test_rollback__flow_edited_since_is_left_and_reported(repo: Repo, proxy: FaultProxy) -> None:
    """As is one that could not be restored."""
    before, _ = prepared(repo)
    theirs = repo.source("update", "by hand, just now")
    proxy.add(Rule(call_first(lambda: repo.edit("update", theirs), REFUSED), "PUT", "/z_last$"))
    ran = repo.apply("--rollback")
    assert ran.code == 6
    assert ran.restored() == {
        "create": "restored",
        "new_name": "restored",
        "taken": "restored",
        "update": "left",
    }
    (left,) = [each for each in ran.json["restored"] if each["result"] == "left"]
    assert "now at revision 3" in left["message"]
    assert repo.lives() == before | {"update": theirs}
    proxy.clear()

    # The record says what we wrote, not what others wrote: the next plan shows their edit.
    proxy.add(Rule(REFUSED, "PUT", "/z_last$", times=None))
    proxy.add(Rule(FAILED, "DELETE", "/create$", times=None))
    assert repo.plan().reasons()["update"] in ("update conflict", "update drift")
    ran = repo.apply("--rollback", "--on-drift", "overwrite")
    assert ran.code == 6
    assert ran.restored()["create"] == "failed"
    assert repo.lives() == before | {"update": theirs, "create": repo.source("create", "new")}
    assert repo.owned()["create"] == sha256(repo.live("create"))


def test_rollback__restores_deleted_flows(repo: Repo, proxy: FaultProxy) -> None:
    before, recorded = prepared(repo)
    proxy.add(Rule(REFUSED, "DELETE", "/old_name$", times=None))
    ran = repo.apply("--rollback", "--parallelism", "1")
    assert ran.code == 1
    assert ran.outcomes()["gone"] == "applied"
    assert ran.outcomes()["old_name"] == "failed"
    assert len(ran.restored()) == 6
    assert set(ran.restored().values()) == {"restored"}
    assert repo.lives() == before
    assert entries(repo.inventory()["resources"]) == entries(recorded)


def test_rollback__source_that_create_refuses_is_restored(repo: Repo, proxy: FaultProxy) -> None:
    """PUT is not strict: the server holds flows that a POST refuses. On 2.0 only drafts are so."""
    repo.config()
    repo.flow("stays")
    repo.flow("stays_too")
    repo.flow("gone")
    repo.flow("old_name", "x")
    assert repo.apply().code == 0
    lax = repo.source("gone") + b"unknownTop: 1\n"
    if repo.release >= (2, 0):
        with pytest.raises(InvalidContent):
            repo.edit("gone", lax)
        lax += b"draft: true\n"
    repo.edit("gone", lax)
    repo.remove("gone")
    repo.remove("old_name")
    proxy.add(Rule(REFUSED, "DELETE", "/old_name$", times=None))
    ran = repo.apply("--rollback", "--on-drift", "overwrite", "--parallelism", "1")
    assert ran.outcomes() == {"gone": "applied", "old_name": "failed"}
    assert (ran.code, ran.restored()["gone"]) == (1, "restored")
    assert repo.live("gone") == lax
