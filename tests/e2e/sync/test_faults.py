"""Faults of networks and gateways: the server, the report and the record always agree."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.proxy import (
    Fault,
    FaultProxy,
    Rule,
    bad_gateway,
    call_after,
    call_first,
    cut_body,
    drop_answer,
    replace_answer,
    reply,
    reset_request,
    too_many_requests,
)

HTML = {"Content-Type": "text/html"}
PAGE = "<html><head><title>504 Gateway Time-out</title></head></html>"

#: Action → the request that carries it out.
REQUEST = {
    "create": ("POST", r"/flows$"),
    "update": ("PUT", r"/flows/[^/]+/update$"),
    "delete": ("DELETE", r"/flows/[^/]+/delete$"),
}


def prepared(repo: Repo) -> dict[str, bytes]:
    """One creation, one update and one deletion to do; returns what the server must hold then."""
    repo.config()
    for name in ("update", "delete", "same"):
        repo.flow(name)
    assert repo.apply().code == 0
    repo.remove("delete")
    return {
        "create": repo.flow("create", "new"),
        "update": repo.flow("update", "changed"),
        "same": repo.source("same"),
    }


def zipped(sources: dict[str, bytes]) -> bytes:
    """An export."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, source in sources.items():
            archive.writestr(f"{name}.yml", source)
    return data.getvalue()


def assert_report_agrees(repo: Repo, ran: RunResult, goal: dict[str, bytes]) -> None:
    """What is reported as applied is on the server; what is reported as not attempted is not."""
    lives = repo.lives()
    for name, status in ran.outcomes().items():
        done = lives.get(name) == goal.get(name)
        if status == "applied":
            assert done, name
        elif status == "not-attempted":
            assert not done, name
    assert repo.agrees()


def assert_converges(repo: Repo, proxy: FaultProxy, goal: dict[str, bytes]) -> None:
    """The same command again ends it, without doubling anything."""
    proxy.clear()
    assert repo.apply().code == 0
    assert repo.lives() == goal
    assert repo.revision("create") == 1
    assert repo.revision("update") == 2
    assert set(repo.owned()) == set(goal)
    assert repo.agrees()
    assert "intent" not in repo.inventory()
    ran = repo.plan("--detailed-exitcode")
    assert (ran.code, ran.reasons()) == (0, {})


@pytest.mark.parametrize(
    "fault",
    [
        reset_request,
        drop_answer,
        cut_body,
        too_many_requests(0),
        bad_gateway,
        replace_answer(504, HTML, PAGE),
        replace_answer(200, HTML, "<html><title>Log in</title></html>"),
    ],
    ids=["reset-before", "reset-after", "cut", "429", "502", "504-after", "login-form"],
)
def test_fault__single_one_loses_nothing(repo: Repo, proxy: FaultProxy, fault: Fault) -> None:
    """Lost responses are resolved by reading, and rejected requests are retried.

    It occurs once at each write: the creation, the update and the deletion.
    """
    goal = prepared(repo)
    rules = [proxy.add(Rule(fault, *request)) for request in REQUEST.values()]
    ran = repo.apply()
    assert all(rule.seen for rule in rules)
    assert (ran.code, set(ran.outcomes().values())) == (0, {"applied"})
    assert_report_agrees(repo, ran, goal)
    assert_converges(repo, proxy, goal)


@pytest.mark.parametrize(
    ("fault", "action"),
    [
        pytest.param(reset_request, "create", id="reset-before-create"),
        pytest.param(bad_gateway, "update", id="502-update"),
        *(pytest.param(drop_answer, each, id=f"reset-after-{each}") for each in REQUEST),
    ],
)
def test_fault__permanent_is_reported_and_fixed_by_the_next_run(
    repo: Repo, proxy: FaultProxy, action: str, fault: Fault
) -> None:
    """The responses of all writes, and all reads of the flow after the first write, fail."""
    goal = prepared(repo)
    method, path = REQUEST[action]
    reads = Rule(reset_request, "GET", rf"/flows/[^/]+/{action}$", times=None)
    proxy.add(Rule(call_first(lambda: proxy.add(reads), fault), method, path, times=None))
    ran = repo.apply()
    assert reads.seen
    (failed,) = [each for each in ran.json["outcomes"] if each["status"] == "failed"]
    assert failed["flow"]["id"] == action
    assert failed["unsure"]
    assert ran.json["exit_code"] == ran.code == 6
    meant = {each["id"] for each in repo.inventory()["intent"]["writes"]}
    assert meant == {action}
    assert_report_agrees(repo, ran, goal)
    assert_converges(repo, proxy, goal)


def test_retry__waits_as_the_server_asks(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo)
    proxy.forget()
    proxy.add(Rule(too_many_requests(1), "PUT", "/update$"))
    assert repo.apply().code == 0
    assert proxy.count("PUT", "/update$") == 2
    assert_converges(repo, proxy, goal)


def test_a_write_that_is_always_refused_is_a_failure_without_effect(
    repo: Repo, proxy: FaultProxy
) -> None:
    goal = prepared(repo)
    proxy.add(Rule(too_many_requests(0), "PUT", "/update$", times=None))
    ran = repo.apply("--parallelism", "1")
    assert ran.code == 6
    assert ran.outcomes() == {"create": "applied", "update": "failed", "delete": "not-attempted"}
    assert not any(each["unsure"] for each in ran.json["outcomes"])
    assert_report_agrees(repo, ran, goal)
    assert_converges(repo, proxy, goal)


def test_apply__flow_that_cannot_be_stored_stops_the_rest(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo)
    proxy.add(Rule(reply(500, {}, '{"message": "out of order"}'), "PUT", "/update$", times=None))
    ran = repo.apply("--parallelism", "1")
    assert ran.code == 6
    assert ran.outcomes() == {"create": "applied", "update": "failed", "delete": "not-attempted"}
    text = repo.run("apply", "--yes", "--parallelism", "1")
    assert "Failed:" in text.out
    assert "out of order" in text.out
    assert "Not attempted:" in text.out
    assert "Run the same command again" in text.out
    assert_report_agrees(repo, ran, goal)
    assert_converges(repo, proxy, goal)


def test_record__no_write_without_a_stored_intent(repo: Repo, proxy: FaultProxy) -> None:
    """A store that refuses before the first write: nothing is written, exit 77."""
    goal = prepared(repo)
    before = repo.lives()
    proxy.add(Rule(reply(403), "PUT", r"/kv/kestra-sync\.", times=None))
    ran = repo.apply()
    assert ran.code == 77
    assert repo.lives() == before
    assert repo.agrees()
    proxy.clear()
    proxy.add(Rule(reply(403), "PUT", r"/kv/kestra-sync-lock\.", times=None))
    assert repo.apply().code == 77
    assert repo.lives() == before
    assert_converges(repo, proxy, goal)


def test_record__unreadable_one_stops_the_run(repo: Repo, proxy: FaultProxy) -> None:
    prepared(repo)
    before = repo.lives()
    proxy.add(Rule(reply(403), "GET", r"/kv/kestra-sync\.", times=None))
    assert repo.plan().code == 77
    assert repo.apply().code == 77
    assert repo.lives() == before


def test_record__unstored_result_is_reported_and_completed_later(
    repo: Repo, proxy: FaultProxy
) -> None:
    """A store that refuses after the writes: exit 6; the intent tells the next run what is ours."""
    goal = prepared(repo)
    proxy.add(Rule(reply(403), "PUT", r"/kv/kestra-sync\.", nth=2, times=None))
    ran = repo.apply()
    assert ran.code == 6
    assert set(ran.outcomes().values()) == {"applied"}
    assert "the inventory could not be written" in ran.json["notes"][0]
    assert repo.lives() == goal
    assert "create" not in repo.owned()
    proxy.clear()
    assert repo.plan().reasons() == {
        "create": "none refreshed",
        "update": "none refreshed",
        "delete": "none dropped",
    }
    assert_converges(repo, proxy, goal)


@pytest.mark.parametrize("fault", [reset_request, drop_answer], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 2], ids=["intent", "result"])
def test_lost_answers_of_the_record_lose_nothing(
    repo: Repo, proxy: FaultProxy, fault: Fault, nth: int
) -> None:
    goal = prepared(repo)
    proxy.add(Rule(fault, "PUT", r"/kv/kestra-sync\.", nth=nth))
    proxy.add(Rule(fault, "PUT", r"/kv/kestra-sync-lock\."))
    proxy.add(Rule(fault, "DELETE", r"/kv/kestra-sync-lock\."))
    ran = repo.apply()
    assert (ran.code, set(ran.outcomes().values())) == (0, {"applied"})
    assert not repo.client.kv.search(f"kestra-sync-lock.{repo.name}")
    assert_converges(repo, proxy, goal)


def test_second_writer__between_plan_and_write_is_reported(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo)
    theirs = repo.source("update", "by hand")
    intent = r"/kv/kestra-sync-run\."
    proxy.add(Rule(call_after(lambda: repo.edit("update", theirs)), "PUT", intent))
    ran = repo.apply("--parallelism", "1")
    assert ran.code == 5
    assert ran.outcomes() == {"create": "applied", "update": "conflict", "delete": "not-attempted"}
    (conflict,) = [each for each in ran.json["outcomes"] if each["status"] == "conflict"]
    message = "was edited on the server since the plan was created (now at revision 2)"
    assert message in conflict["message"]
    assert repo.live("update") == theirs
    proxy.clear()
    assert repo.plan().reasons()["update"] == "update conflict"
    assert repo.apply("--on-drift", "overwrite").code == 0
    assert repo.lives() == goal


def test_second_writer__right_before_the_write_is_reported_with_its_revision(
    repo: Repo, proxy: FaultProxy
) -> None:
    """Kestra has no precondition: their revision is overwritten, and still readable."""
    goal = prepared(repo)
    theirs = repo.source("update", "by hand")
    proxy.add(Rule(call_first(lambda: repo.edit("update", theirs)), "PUT", "/update$"))
    ran = repo.apply()
    assert ran.code == 5
    (conflict,) = [each for each in ran.json["outcomes"] if each["status"] == "conflict"]
    assert conflict["flow"]["id"] == "update"
    assert "revision 2, written by someone else just before, was overwritten" in conflict["message"]
    assert repo.client.flows.get(repo.id("update"), revision=2).source == theirs
    assert repo.live("update") == goal["update"]
    assert repo.agrees()
    proxy.clear()
    assert repo.apply().code == 0
    assert repo.plan().reasons() == {}


def test_second_writer__right_after_the_write_is_reported(repo: Repo, proxy: FaultProxy) -> None:
    prepared(repo)
    theirs = repo.source("update", "by hand")
    proxy.add(Rule(call_after(lambda: repo.edit("update", theirs)), "PUT", "/update$"))
    ran = repo.apply()
    assert ran.code == 5
    assert ran.outcomes()["update"] == "conflict"
    assert repo.live("update") == theirs
    proxy.clear()
    assert repo.plan().reasons() == {"update": "update drift"}


@pytest.mark.parametrize("same", [True, False], ids=["the same flow", "another flow"])
def test_second_writer__that_creates_is_reported(repo: Repo, proxy: FaultProxy, same: bool) -> None:
    """Also right before the write, after the last check."""
    goal = prepared(repo)
    theirs = goal["create"] if same else repo.source("create", "theirs")
    proxy.add(Rule(call_first(lambda: repo.client.flows.create(theirs)), "POST", r"/flows$"))
    ran = repo.apply()
    assert ran.code == (0 if same else 5)
    assert ran.outcomes()["create"] == ("applied" if same else "conflict")
    assert repo.live("create") == theirs
    assert repo.agrees()
    assert ("create" in repo.owned()) is same


def test_one_look_before_the_writes_sees_what_was_created(repo: Repo, proxy: FaultProxy) -> None:
    prepared(repo)
    before = repo.lives()
    theirs = repo.source("create", "theirs")
    lock = r"/kv/kestra-sync-lock\."
    proxy.add(Rule(call_after(lambda: repo.client.flows.create(theirs)), "PUT", lock))
    ran = repo.apply()
    assert ran.code == 5
    assert ran.outcomes() == {
        "create": "conflict",
        "update": "not-attempted",
        "delete": "not-attempted",
    }
    assert repo.lives() == before | {"create": theirs}


def test_delete__flow_deleted_by_others_counts_as_deleted(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo)
    gone = repo.id("delete")
    proxy.add(Rule(call_first(lambda: repo.client.flows.delete(gone)), "DELETE", "/delete$"))
    ran = repo.apply()
    assert (ran.code, ran.outcomes()["delete"]) == (0, "applied")
    assert_converges(repo, proxy, goal)


def test_update__flow_deleted_after_the_plan_is_reported(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo)
    gone = repo.id("update")
    proxy.add(Rule(call_first(lambda: repo.client.flows.delete(gone)), "PUT", "/update$"))
    ran = repo.apply()
    assert (ran.code, ran.outcomes()["update"]) == (5, "conflict")
    assert repo.agrees() or "update" in repo.owned()
    proxy.clear()
    assert repo.apply().code == 0
    assert repo.lives() == goal


def test_export__colliding_names_are_handled(repo: Repo, proxy: FaultProxy) -> None:
    """``a.b`` + ``c-d`` and ``a.b-c`` + ``d`` share a file name in the export of Kestra."""
    repo.config()
    left = repo.flow("one-etl", ns=f"{repo.namespace}.team")
    right = repo.flow("etl", ns=f"{repo.namespace}.team-one")
    assert repo.apply().code == 0
    assert repo.plan("--detailed-exitcode").code == 0
    assert sorted(repo.lives().values()) == sorted([left, right])
    repo.flow("more")
    assert repo.apply().code == 0
    assert len(repo.inventory()["resources"]) == 3


def test_verify__failed_read_is_reported(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo)
    proxy.add(Rule(reply(403), "GET", "/flows/export", nth=2, times=None))
    ran = repo.apply()
    assert ran.code == 6
    assert set(ran.outcomes().values()) == {"applied"}
    assert "could not be verified" in ran.json["notes"][0]
    assert_report_agrees(repo, ran, goal)
    assert_converges(repo, proxy, goal)


@pytest.mark.parametrize(
    "fault",
    [reset_request, cut_body, bad_gateway, too_many_requests(0)],
    ids=["reset", "cut", "502", "429"],
)
def test_read__is_retried(repo: Repo, proxy: FaultProxy, fault: Fault) -> None:
    goal = prepared(repo)
    proxy.add(Rule(fault, "GET", "/flows/export"))
    assert repo.apply().code == 0
    assert_converges(repo, proxy, goal)


def test_a_server_out_of_reach_is_69_and_nothing_is_written(repo: Repo, proxy: FaultProxy) -> None:
    prepared(repo)
    before = repo.lives()
    proxy.add(Rule(reset_request, times=None))
    ran = repo.apply()
    assert (ran.code, ran.json["exit_code"]) == (69, 69)
    assert repo.lives() == before


def test_inventory__flow_missing_from_a_bulk_read_is_kept(repo: Repo, proxy: FaultProxy) -> None:
    """It is older than the record, as another apply ended in between; or the server cut it."""
    repo.config()
    repo.flow("a")
    repo.apply()
    repo.flow("b")
    stale = zipped(repo.lives())
    assert repo.apply().code == 0
    repo.flow("c", "another")
    repo.remove("b")
    answer = reply(200, {"Content-Type": "application/octet-stream"}, stale)
    proxy.add(Rule(answer, "GET", "/flows/export"))
    ran = repo.apply()
    assert ran.reasons() == {"b": "delete removed", "c": "create new"}
    assert ran.code == 0
    assert set(repo.lives()) == set(repo.owned()) == {"a", "c"}
