"""Each guard: its message, the option that allows the plan, and that nothing is written."""

from __future__ import annotations

import pytest

from kestra_sync.model import FlowId
from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.proxy import FaultProxy, Rule, reply, strip_query
from tests.support.sources import subflow

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def deployed(repo: Repo, number: int, config: str = "") -> dict[str, bytes]:
    """A repository of so many small flows, all of them on the server and ours."""
    repo.config(config)
    sources = {f"f{index:02}": repo.flow(f"f{index:02}") for index in range(number)}
    assert repo.apply().code == 0
    return sources


def assert_refused(repo: Repo, rule: str, *words: str, code: int = 4) -> RunResult:
    """Text: the plan on stdout first, the refusal on stderr. JSON: the same. Nothing written."""
    before = repo.lives()
    ran = repo.apply()
    assert (ran.code, ran.refused()) == (code, [rule])
    assert ran.json["exit_code"] == code
    assert ran.json["outcomes"] == []
    text = repo.run("apply", "--yes")
    assert text.code == code
    assert text.out.startswith("kestra-sync plan · ")
    assert "Plan: " in text.out
    assert f"refused[{rule}]" in text.err
    for each in words:
        assert each in text.err
    assert repo.lives() == before
    return ran


def test_empty_repository__deletes_nothing(repo: Repo) -> None:
    deployed(repo, 2)
    repo.remove("f00")
    repo.remove("f01")
    before = repo.lives()
    ran = repo.run("apply", "--yes")
    assert ran.code == 4
    assert "- " + str(repo.id("f00")) in ran.out
    assert "refused[empty-repository]" in ran.err
    assert "2 of 2 owned flows would be deleted" in ran.err
    assert "--allow-large" in ran.err
    assert repo.lives() == before
    assert repo.apply("--allow-large").code == 0
    assert repo.lives() == {}


@pytest.mark.parametrize("how", ["lost its tasks", "ignored", "symlink"])
def test_skipped_file__file_without_its_flow_deletes_nothing(repo: Repo, how: str) -> None:
    deployed(repo, 4)
    file = repo.root / "flows/f00.yaml"
    if how == "lost its tasks":
        file.write_bytes(file.read_bytes().split(b"tasks:")[0])
    elif how == "ignored":
        repo.write("flows/.kestraignore", "f00.yaml\n")
    else:
        file.unlink()
        try:
            file.symlink_to("f01.yaml")
        except OSError:
            pytest.skip("no symlinks here")
    ran = assert_refused(
        repo, "skipped-file", "1 of 1 deletions", str(repo.id("f00")), "--allow-skipped-delete"
    )
    assert ran.reasons() == {"f00": "delete removed"}
    assert repo.apply("--allow-skipped-delete").code == 0
    assert set(repo.lives()) == {"f01", "f02", "f03"}


def test_too_many_deletions__a_third_of_the_owned_flows_is_refused(repo: Repo) -> None:
    deployed(repo, 10)
    for index in range(4):
        repo.remove(f"f{index:02}")
    assert_refused(
        repo,
        "too-many-deletions",
        "4 of 10 owned flows would be deleted (the limit is 30%)",
        "--allow-large",
        "limits.delete",
    )
    repo.config("limits: {delete: 40%}\n")
    assert repo.plan().refused() == []
    repo.config()
    repo.flow("f03")  # 3 of 10 are within the limit
    assert repo.plan().refused() == []
    repo.remove("f03")
    assert repo.apply("--allow-large").code == 0
    assert set(repo.lives()) == {f"f{index:02}" for index in range(4, 10)}


def test_too_many_deletions__most_of_a_few_flows_is_refused(repo: Repo) -> None:
    deployed(repo, 4)
    repo.remove("f00")
    repo.remove("f01")
    assert repo.plan().refused() == []  # half of them is fine
    repo.config("limits: {delete: 10%}\n")  # a limit that was written counts
    assert_refused(repo, "too-many-deletions", "2 of 4 owned", "the limit is 10%")
    repo.config()
    repo.remove("f02")
    assert_refused(
        repo, "too-many-deletions", "3 of 4 owned", "more than half of them", "--allow-large"
    )
    repo.remove("f03")
    repo.flow("new")  # the repository is not empty, and still all that we own would go
    assert_refused(repo, "too-many-deletions", "4 of 4 owned", "all of them", "--allow-large")


def test_prune_scope__limit_counts_the_live_flows(repo: Repo) -> None:
    repo.config("prune: scope\n")
    for index in range(6):
        repo.client.flows.create(repo.source(f"theirs{index}"))
    for index in range(6):
        repo.client.flows.create(repo.flow(f"ours{index}"))
    assert_refused(repo, "too-many-deletions", "6 of 12 live flows would be deleted")


def test_too_many_updates__half_of_the_flows_is_refused(repo: Repo) -> None:
    deployed(repo, 10)
    for index in range(6):
        repo.flow(f"f{index:02}", "changed")
    assert_refused(
        repo,
        "too-many-updates",
        "6 of 10 flows would be updated (the limit is 50%)",
        "--allow-large",
    )
    repo.config("limits: {update: 60%}\n")
    assert repo.plan().refused() == []
    repo.config()
    changed = repo.flow("f05", "changed")
    assert repo.apply("--allow-large").code == 0
    assert repo.live("f05") == changed


def test_scope__flow_outside_is_refused_and_dots_count(repo: Repo) -> None:
    similar = f"{repo.namespace}2"  # starts with the same text, and is another namespace
    repo.config()
    repo.flow("inside", ns=f"{repo.namespace}.team")
    repo.flow("outside", ns=similar)
    ran = repo.run("apply", "--yes")
    assert ran.code == 4
    assert "refused[outside-scope]" in ran.err
    assert f"1 of 2 flows are outside the scope ({repo.namespace}): {similar}/outside" in ran.err
    assert "`scope` in kestra-sync.yaml" in ran.err
    assert repo.lives() == {}
    repo.remove("outside")
    assert repo.apply().code == 0
    assert set(repo.lives()) == {f"{repo.namespace}.team/inside"}


def test_adopt__flow_of_another_repository_is_left_alone(repo: Repo) -> None:
    deployed(repo, 2)
    other = repo.neighbor("other")
    other.config()
    other.flow("f00")
    assert other.plan().reasons()["f00"] == "none adopt"
    ran = other.run("apply", "--yes")
    assert ran.code == 4
    assert f"1 of 1 flows are owned by another inventory ({repo.name})" in ran.err
    assert "--take-over" in ran.err
    assert not any(each.key == other.key for each in other.client.kv.search(other.key))
    assert other.apply("--take-over").code == 0
    assert set(other.owned()) == {"f00"}


def test_ownership__flow_of_another_repository_is_not_taken_over_by_default(repo: Repo) -> None:
    sources = deployed(repo, 2)
    other = repo.neighbor("other")
    other.config()
    ours = other.flow("f00", "another idea")
    assert_refused(other, "other-owner", f"({repo.name})", str(repo.id("f00")), "--take-over")
    assert other.lives() == sources
    assert other.apply("--take-over").code == 0
    assert other.live("f00") == ours
    # The first repository sees the edit and its owner: it does not revert it.
    assert_refused(repo, "other-owner", f"({other.name})")
    # Nor does it delete what was taken over: it forgets it.
    repo.remove("f00")
    assert repo.plan().reasons() == {"f00": "none foreign"}
    assert repo.apply().code == 0
    assert set(repo.owned()) == {"f01"}
    assert repo.live("f00") == ours


def test_prune_scope__spares_flows_of_another_repository(repo: Repo) -> None:
    sources = deployed(repo, 3)
    other = repo.neighbor("other")
    other.config("prune: scope\n")
    mine = {f"g{index}": other.flow(f"g{index}") for index in range(3)}
    repo.client.flows.create(repo.source("nobodys"))
    ran = other.apply()
    assert ran.code == 0
    assert ran.reasons()["nobodys"] == "delete pruned"
    assert ran.reasons()["f00"] == "none foreign"
    assert other.lives() == sources | mine


def test_prune__unreadable_inventory_stops_it(repo: Repo) -> None:
    """Its contents are unknown, so it might own any flow."""
    repo.config("prune: scope\n")
    repo.flow("a")
    repo.client.flows.create(repo.source("theirs"))
    repo.client.kv.put(repo.namespace, f"kestra-sync.{repo.name}-newer", {"format": 99})
    ran = repo.apply()
    assert ran.code == 4
    assert "newer kestra-sync" in ran.json["error"]["message"]
    assert set(repo.lives()) == {"theirs"}


def test_protected_namespace__unchanged_unless_named_in_the_scope(repo: Repo) -> None:
    secret = f"{repo.namespace}.secret"
    repo.config(f"protect: [{secret}]\n")
    repo.flow("a")
    repo.flow("b", ns=f"{secret}.deep")
    assert_refused(
        repo,
        "protected-namespace",
        "1 of 2 changes are in a protected namespace",
        f"{secret}.deep/b",
    )
    repo.write(
        "kestra-sync.yaml",
        f"version: 1\nname: {repo.name}\nsource: flows\nscope: [{repo.namespace}, {secret}]\n"
        f"protect: [{secret}]\n",
    )
    assert repo.apply().code == 0
    assert set(repo.lives()) == {"a", f"{secret}.deep/b"}


@pytest.mark.parametrize("caller", ["in Git", "foreign"])
def test_still_called__flow_is_not_deleted(repo: Repo, caller: str) -> None:
    repo.config()
    repo.flow("called")
    repo.flow("other")
    repo.flow("another")
    source = subflow(repo.namespace, "caller", "called")
    if caller == "in Git":
        repo.write("flows/caller.yaml", source)
    assert repo.apply().code == 0
    if caller == "foreign":
        repo.client.flows.create(source.encode())
    repo.remove("called")
    assert_refused(
        repo,
        "still-called",
        f"{repo.id('called')} would be deleted, but is still called by {repo.id('caller')}",
        "remove the call first",
    )
    if caller == "in Git":
        repo.remove("caller")
        repo.flow("new")
        assert repo.apply().code == 0
        assert set(repo.lives()) == {"other", "another", "new"}


def test_protected__flow_with_keep_comment_is_kept(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a", extra="# kestra-sync: keep\n")
    repo.flow("b")
    repo.apply()
    repo.remove("a")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"a": "none protected"})
    assert repo.live("a") == source
    assert set(repo.owned()) == {"a", "b"}
    assert "kept because of '# kestra-sync: keep'" in repo.run("plan").out


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
    proxy.add(
        Rule(
            reply(200, {"Content-Type": "application/octet-stream"}, EMPTY_ZIP),
            path="/flows/export",
            times=None,
        )
    )
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (0, {})
    repo.remove("f00")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"f00": "delete removed"})
    assert repo.lives() == {"f01": sources["f01"], "f02": sources["f02"]}
