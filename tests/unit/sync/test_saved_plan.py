"""A saved plan: an apply writes exactly the reviewed plan, or nothing."""

from __future__ import annotations

import json

from kestra_sync.plan.saved import digest_of
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.repository import Repo
from tests.support.saved_plan import assert_stale, planned


def test_saved_plan__differences_are_listed(repo: Repo) -> None:
    planned(repo)
    repo.flow("update", "another")
    repo.edit("edited", repo.source("edited", "by hand"))
    repo.edit("edited_twice", repo.source("edited_twice", "by hand"))
    repo.edit("edited_twice", repo.source("edited_twice"))
    repo.client.flows.create(repo.source("create"))
    repo.flow("more", "and more")
    changed = "the server's source changed"
    assert_stale(
        repo,
        f"{repo.id('update')}: the file flows/update.yaml changed",
        f"{repo.id('edited')}: {changed} (revision 1 then, 2 now)",
        f"{repo.id('edited_twice')}: {changed} (revision 1 then, 3 now)",
        f"{repo.id('create')}: {changed} (revision None then, 1 now)",
        f"{repo.id('more')}: was not in the plan, now create (new)",
        options=("--on-drift", "overwrite"),
    )


def test_saved_plan__tampered_is_refused(repo: Repo) -> None:
    """As are a plan for another target, and one of another version of the format."""
    document = planned(repo)
    with SmallKestra() as other:
        other.begin(State())
        assert_stale(repo, "target was", other.url, options=("--url", other.url))
    repo.write("plan.json", json.dumps({**document, "format_version": "9.1"}))
    assert_stale(repo, "format version 9.1", "supports 1.")
    changes = document["plan"]["changes"]
    document["plan"]["changes"] = [each for each in changes if each["action"] != "delete"]
    repo.write("plan.json", json.dumps(document))
    assert_stale(repo, "was changed after it was saved")
    # Even with a digest of its own it is not the plan that the files and the server make.
    document["digest"] = digest_of(document["plan"])
    repo.write("plan.json", json.dumps(document))
    assert_stale(repo, f"{repo.id('delete')}: was not in the plan, now delete (removed)")


def test_a_plan_that_a_guard_refuses_is_not_saved(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    repo.remove("a")
    ran = repo.plan("--out", "plan.json")
    assert ran.code == 4
    assert "not saved to plan.json" in ran.err
    assert not (repo.root / "plan.json").exists()
    assert repo.apply("--plan", "plan.json").code == 64
