"""Every row of the three-way table, against a real server."""

from __future__ import annotations

import json

from tests.e2e.sync.conftest import Repo


def test_in_sync__desired_live_and_base_are_equal(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (0, {})
    assert ran.json["plan"]["summary"]["unchanged"] == 1


def test_refreshed__desired_equals_live_but_not_base(repo: Repo) -> None:
    repo.config()
    repo.flow("a", "old")
    repo.apply()
    repo.edit("a", repo.source("a", "new"))
    repo.flow("a", "new")
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (2, {"a": "none refreshed"})
    assert repo.apply().code == 0
    assert repo.plan().reasons() == {}


def test_adopt__desired_equals_live_without_base(repo: Repo) -> None:
    repo.config()
    repo.client.flows.create(repo.flow("a"))
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (2, {"a": "none adopt"})
    assert repo.apply().code == 0
    assert [each["id"] for each in repo.inventory()["resources"]] == ["a"]
    assert repo.client.flows.get(repo.id("a")).revision == 1
    assert repo.plan().reasons() == {}


def test_changed__in_git_only_is_an_update(repo: Repo) -> None:
    repo.config()
    repo.flow("a", "one")
    repo.apply()
    source = repo.flow("a", "two")
    assert repo.plan().reasons() == {"a": "update changed"}
    assert repo.apply().code == 0
    assert repo.live("a") == source


def test_drift__changed_on_the_server_only_is_reverted(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a", "git")
    repo.apply()
    repo.edit("a", repo.source("a", "by hand"))
    text = repo.run("plan", "--detailed-exitcode")
    assert text.code == 2
    assert "drift: edited on the server, will be reverted" in text.out
    assert repo.plan().reasons() == {"a": "update drift"}
    assert repo.apply().code == 0
    assert repo.live("a") == source


def test_conflict__changed_on_both_sides(repo: Repo) -> None:
    repo.config()
    repo.flow("a", "base")
    repo.apply()
    theirs = repo.source("a", "theirs")
    repo.edit("a", theirs)
    ours = repo.flow("a", "ours")
    refused = repo.plan()
    assert (refused.code, refused.reasons()) == (5, {"a": "update conflict"})
    assert repo.apply().code == 5
    assert repo.live("a") == theirs
    assert repo.apply("--on-drift", "overwrite").code == 0
    assert repo.live("a") == ours


def test_first_contact__different_flow_is_refused_without_take_over(repo: Repo) -> None:
    """A flow created on the server has the id of one in Git: which one is kept?"""
    repo.config()
    theirs = repo.source("a", "theirs")
    repo.client.flows.create(theirs)
    ours = repo.flow("a", "ours")
    ran = repo.plan()
    assert (ran.code, ran.reasons(), ran.refused()) == (
        4,
        {"a": "update take-over"},
        ["first-contact"],
    )
    text = repo.run("apply", "--yes", "--on-drift", "fail")
    assert text.code == 4
    assert "different on the server, refused" in text.out
    assert '-     message: "theirs"' in text.out
    assert "refused[first-contact]" in text.err
    assert "--take-over" in text.err
    assert repo.live("a") == theirs
    allowed = repo.run("plan", "--take-over")
    assert (allowed.code, "not owned yet, will be taken over" in allowed.out) == (0, True)
    assert repo.apply("--take-over").code == 0
    assert repo.live("a") == ours
    assert repo.plan("--detailed-exitcode").code == 0


def test_first_contact__overwrites_if_configured(repo: Repo) -> None:
    repo.config("on_first_contact: overwrite\n")
    repo.client.flows.create(repo.source("a", "theirs"))
    ours = repo.flow("a", "ours")
    assert repo.apply().code == 0
    assert repo.live("a") == ours
    # Without a name nothing is recorded, so everything would be a first contact: it never refuses.
    repo.write("kestra-sync.yaml", f"version: 1\nsource: flows\nscope: [{repo.namespace}]\n")
    again = repo.flow("a", "without a name")
    assert repo.apply().code == 0
    assert repo.live("a") == again


def test_recreated__deleted_on_the_server_is_created_again(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a")
    repo.apply()
    repo.client.flows.delete(repo.id("a"))
    assert repo.plan().reasons() == {"a": "create recreated"}
    assert "deleted on the server, will be recreated" in repo.run("plan").out
    assert repo.apply().code == 0
    assert repo.live("a") == source


def test_new__in_git_is_created(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a")
    assert repo.plan().reasons() == {"a": "create new"}
    assert repo.apply().code == 0
    assert repo.live("a") == source


def test_removed__is_deleted(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.remove("a")
    assert repo.plan().reasons() == {"a": "delete removed"}
    assert repo.apply().code == 0
    assert {each.flow_id.id for each in repo.client.flows.search(repo.scope)} == {"b"}
    assert repo.plan().reasons() == {}
    assert [each["id"] for each in repo.inventory()["resources"]] == ["b"]


def test_removed__edited_on_the_server_is_a_conflict(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.edit("a", repo.source("a", "by hand"))
    repo.remove("a")
    refused = repo.apply()
    assert (refused.code, refused.reasons()) == (5, {"a": "delete conflict"})
    assert repo.live("a") == repo.source("a", "by hand")


def test_removed__disabled_on_the_server_is_deleted(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.edit("a", source + b"\ndisabled: true")
    repo.remove("a")
    assert repo.plan().reasons() == {"a": "delete removed"}
    assert repo.apply().code == 0


def test_dropped__deleted_on_both_sides(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.client.flows.delete(repo.id("a"))
    repo.remove("a")
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (2, {"a": "none dropped"})
    assert repo.apply().code == 0
    assert [each["id"] for each in repo.inventory()["resources"]] == ["b"]


def test_foreign__flows_are_reported_and_not_changed(repo: Repo) -> None:
    repo.config()
    theirs = repo.source("theirs")
    repo.client.flows.create(theirs)
    repo.flow("ours")
    assert repo.plan().reasons() == {"ours": "create new", "theirs": "none foreign"}
    assert repo.apply().code == 0
    assert repo.live("theirs") == theirs
    assert "not owned, left alone" in repo.run("plan").out


def test_prune_scope__deletes_foreign_flows(repo: Repo) -> None:
    repo.config("prune: scope\n")
    repo.client.flows.create(repo.source("theirs", "not in Git"))
    for number in range(2):
        repo.client.flows.create(repo.flow(f"both{number}"))
    assert repo.plan().reasons() == {
        "both0": "none adopt",
        "both1": "none adopt",
        "theirs": "delete pruned",
    }
    assert repo.apply().code == 0
    assert {each.flow_id.id for each in repo.client.flows.search(repo.scope)} == {"both0", "both1"}


def test_prune_none__only_reports(repo: Repo) -> None:
    repo.config("prune: none\n")
    repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.remove("a")
    assert repo.plan().reasons() == {"a": "none untouched"}
    assert repo.apply().code == 0
    assert repo.live("a")


def test_disabled_flow__is_kept_disabled_until_re_enabled(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a")
    repo.apply()
    off = source + b"\ndisabled: true"
    repo.edit("a", off)
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (2, {"a": "none kept-off"})
    assert repo.apply().code == 0
    assert repo.live("a") == off
    assert repo.plan("--re-enable").reasons() == {"a": "update re-enabled"}
    assert repo.apply("--re-enable").code == 0
    assert repo.live("a") == source


def test_disabled_flow__stays_disabled_after_a_change_in_git(repo: Repo) -> None:
    repo.config()
    source = repo.flow("a", "one")
    repo.apply()
    repo.edit("a", source + b"\ndisabled: true")
    changed = repo.flow("a", "two")
    assert repo.plan().reasons() == {"a": "update kept-off"}
    assert repo.apply().code == 0
    assert repo.live("a") == changed + b"disabled: true\n"
    assert repo.plan().reasons() == {"a": "none kept-off"}
    again = repo.flow("a", "three")
    assert repo.plan().reasons() == {"a": "update kept-off"}
    assert repo.apply().code == 0
    assert repo.live("a") == again + b"disabled: true\n"


def test_disabled_flow__with_disabled_false_in_git_is_drift(repo: Repo) -> None:
    repo.config()
    repo.flow("a", extra="disabled: false\n")
    repo.apply()
    repo.edit("a", repo.source("a", extra="disabled: true\n"))
    assert repo.plan().reasons() == {"a": "update drift"}


def test_a_renamed_flow_is_shown_as_a_move(repo: Repo) -> None:
    repo.config()
    repo.flow("old")
    for number in range(5):
        repo.flow(f"other{number}")
    repo.apply()
    repo.remove("old")
    source = repo.flow("new")
    ran = repo.plan()
    assert ran.reasons() == {"new": "move moved"}
    assert f"moved from {repo.namespace}/old" in repo.run("plan").out
    assert repo.apply().code == 0
    assert repo.live("new") == source
    assert "old" not in {each["id"] for each in repo.inventory()["resources"]}
    assert repo.plan().reasons() == {}


def test_on_drift__keep_keeps_and_reports_the_edit(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.apply()
    theirs = repo.source("a", "by hand")
    repo.edit("a", theirs)
    assert repo.apply("--on-drift", "keep").code == 0
    assert repo.live("a") == theirs
    assert repo.plan("--on-drift", "keep").reasons() == {"a": "none drift-kept"}


def test_on_drift__fail_refuses_with_exit_5(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.apply()
    repo.edit("a", repo.source("a", "by hand"))
    ran = repo.apply("--on-drift", "fail")
    assert ran.code == 5
    assert [each["rule"] for each in ran.json["refusals"]] == ["drift"]


def test_inventory__loss_deletes_nothing(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.client.kv.delete(repo.namespace, f"kestra-sync.{repo.name}")
    repo.remove("b")
    repo.flow("a", "changed")
    assert repo.plan().reasons() == {"a": "update take-over", "b": "none foreign"}
    assert repo.apply().code == 4
    assert repo.apply("--take-over").code == 0
    assert repo.live("b")


def test_without_a_configuration_nothing_is_owned_or_pruned(repo: Repo) -> None:
    repo.flow("a")
    assert repo.apply().code == 0
    repo.flow("a", "two")
    repo.client.flows.create(repo.source("b"))
    ran = repo.plan()
    assert ran.reasons() == {"a": "update changed", "b": "none foreign"}
    assert not any(
        each.key == f"kestra-sync.{repo.name}" for each in repo.client.kv.search("kestra-sync")
    )


def test_the_record_holds_hashes_paths_and_revisions(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.apply()
    record = repo.inventory()
    assert record["format"] == 1
    assert record["name"] == repo.name
    assert record["scope"] == [repo.namespace]
    (resource,) = record["resources"]
    assert resource["path"] == "flows/a.yaml"
    assert resource["revision"] == 1
    assert "intent" not in record
    assert record["history"][-1]["result"] == "applied"
    assert json.dumps(record).count(resource["file_sha256"]) == 1
