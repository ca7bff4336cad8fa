"""Faults of networks and gateways: the server, the report and the record always agree."""

from __future__ import annotations

import io
import zipfile

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

FAULTS = [
    *(reset_request, drop_answer, cut_body, too_many_requests(0), bad_gateway),
    replace_answer(504, HTML, PAGE),
    replace_answer(200, HTML, "<html><title>Log in</title></html>"),
]
#: So many of them are of networks, and occur at any request.
NETWORK = 5
#: Action → the request that carries it out, of a flow whose name ends with the number.
REQUEST = {
    "create": ("POST", r"/flows$"),
    "update": ("PUT", r"/flows/[^/]+/update$"),
    "delete": ("DELETE", r"/flows/[^/]+/delete{}$"),
}


class Rounds:
    """A deployed repository, and rounds with one creation, one update and one deletion each."""

    def __init__(self, repo: Repo, proxy: FaultProxy, number: int) -> None:
        self.repo, self.proxy, self.round = repo, proxy, -1
        repo.config()
        names = ("update", "same", *(f"delete{each}" for each in range(number)))
        self.goal = {name: repo.flow(name) for name in names}
        """What the server must hold after this round."""
        assert repo.apply().code == 0

    def next(self) -> dict[str, str]:
        """Change the files; the reasons of the plan."""
        self.round += 1
        created, deleted = f"create{self.round}", f"delete{self.round}"
        self.goal[created] = self.repo.flow(created, "new")
        self.goal["update"] = self.repo.flow("update", f"changed {self.round}")
        del self.goal[deleted]
        self.repo.remove(deleted)
        return {created: "create new", "update": "update changed", deleted: "delete removed"}

    def fail(self, action: str, fault: Fault, times: int | None = 1) -> Rule:
        """Let the request of an action fail."""
        method, path = REQUEST[action]
        return self.proxy.add(Rule(fault, method, path.format(self.round), times=times))

    def assert_done(self) -> None:
        """The server and the record hold the goal, and nothing was doubled."""
        repo = self.repo
        assert repo.lives() == self.goal
        assert repo.revision("update") == 2 + self.round
        assert repo.revision(f"create{self.round}") == 1
        assert set(repo.owned()) == set(self.goal)
        assert repo.agrees()
        assert "intent" not in repo.inventory()

    def assert_converges(self) -> None:
        """The same command again ends it, and is the last."""
        self.proxy.clear()
        assert self.repo.apply().code == 0
        self.assert_done()

    def assert_report_agrees(self, ran: RunResult) -> None:
        """What is reported as applied is on the server; what was not attempted is not."""
        lives = self.repo.lives()
        for name, status in ran.outcomes().items():
            done = lives.get(name) == self.goal.get(name)
            if status == "applied":
                assert done, name
            elif status == "not-attempted":
                assert not done, name
        assert self.repo.agrees()


def zipped(sources: dict[str, bytes]) -> bytes:
    """An export."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, source in sources.items():
            archive.writestr(f"{name}.yml", source)
    return data.getvalue()


def test_fault__single_one_loses_nothing(repo: Repo, proxy: FaultProxy) -> None:
    """Lost responses are resolved by reading, and rejected requests are retried.

    Each occurs once at each write: the creation, the update and the deletion. Those of networks
    and gateways occur at the bulk read as well, in which they lose or double nothing either.
    """
    rounds = Rounds(repo, proxy, len(FAULTS))
    for fault in FAULTS:
        reasons = rounds.next()
        rules = [rounds.fail(action, fault) for action in REQUEST]
        if rounds.round < NETWORK:
            rules.append(proxy.add(Rule(fault, "GET", "/flows/export")))
        ran = repo.apply()
        assert all(rule.seen for rule in rules)
        assert (ran.code, set(ran.outcomes().values())) == (0, {"applied"})
        assert ran.reasons() == reasons  # and nothing that an earlier round has left
        rounds.assert_done()
        proxy.clear()
    assert repo.plan("--detailed-exitcode").code == 0


def test_fault__permanent_is_reported_and_fixed_by_the_next_run(
    repo: Repo, proxy: FaultProxy
) -> None:
    """The responses of all writes, and all reads of the flow after the first write, fail."""
    cases: list[tuple[Fault, str]] = [(reset_request, "create"), (bad_gateway, "update")]
    cases += [(drop_answer, action) for action in REQUEST]
    rounds = Rounds(repo, proxy, len(cases))
    for fault, action in cases:
        rounds.next()
        name = action if action == "update" else f"{action}{rounds.round}"
        reads = Rule(reset_request, "GET", rf"/flows/[^/]+/{name}$", times=None)

        def blocked(reads: Rule = reads) -> None:
            proxy.add(reads)

        rounds.fail(action, call_first(blocked, fault), None)
        ran = repo.apply()
        assert reads.seen
        (failed,) = [each for each in ran.json["outcomes"] if each["status"] == "failed"]
        assert failed["flow"]["id"] == name
        assert failed["unsure"]
        assert ran.json["exit_code"] == ran.code == 6
        assert {each["id"] for each in repo.inventory()["intent"]["writes"]} == {name}
        rounds.assert_report_agrees(ran)
        rounds.assert_converges()


def test_apply__flow_that_cannot_be_stored_stops_the_rest(repo: Repo, proxy: FaultProxy) -> None:
    """A write that is always refused is a failure without an effect."""
    rounds = Rounds(repo, proxy, 1)
    rounds.next()
    rounds.fail("update", too_many_requests(0), None)
    ran = repo.apply("--parallelism", "1")
    assert ran.code == 6
    assert ran.outcomes() == {"create0": "applied", "update": "failed", "delete0": "not-attempted"}
    assert not any(each["unsure"] for each in ran.json["outcomes"])
    rounds.assert_report_agrees(ran)
    proxy.clear()
    rounds.fail("update", reply(500, {}, '{"message": "out of order"}'), None)
    text = repo.run("apply", "--yes", "--parallelism", "1")
    assert text.code == 6
    for words in ("Failed:", "out of order", "Not attempted:", "Run the same command again"):
        assert words in text.out
    rounds.assert_converges()


def test_record__no_write_without_a_stored_intent(repo: Repo, proxy: FaultProxy) -> None:
    """A store that refuses before the first write: nothing is written, exit 77."""
    rounds = Rounds(repo, proxy, 1)
    before = repo.lives()
    rounds.next()
    for rule, code in (
        (Rule(reply(403), "PUT", r"/kv/kestra-sync\.", times=None), 77),
        (Rule(reply(403), "PUT", r"/kv/kestra-sync-lock\.", times=None), 77),
        (Rule(reply(403), "GET", r"/kv/kestra-sync\.", times=None), 77),
        (Rule(reset_request, times=None), 69),
    ):
        proxy.add(rule)
        assert repo.apply().code == code
        assert repo.lives() == before
        assert repo.agrees()
        proxy.clear()
    rounds.assert_converges()


def test_record__unstored_result_is_reported_and_completed_later(
    repo: Repo, proxy: FaultProxy
) -> None:
    """A store that refuses after the writes: exit 6; the intent tells the next run what is ours."""
    rounds = Rounds(repo, proxy, 2)
    rounds.next()
    proxy.add(Rule(reply(403), "PUT", r"/kv/kestra-sync\.", nth=2, times=None))
    ran = repo.apply()
    assert ran.code == 6
    assert set(ran.outcomes().values()) == {"applied"}
    assert "the inventory could not be written" in ran.json["notes"][0]
    assert repo.lives() == rounds.goal
    assert "create0" not in repo.owned()
    proxy.clear()
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (
        0,
        {"create0": "none refreshed", "update": "none refreshed", "delete0": "none dropped"},
    )
    rounds.assert_done()
    # The same if only the final look at the flows fails.
    reasons = rounds.next()
    proxy.add(Rule(reply(403), "GET", "/flows/export", nth=2, times=None))
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (6, reasons)
    assert set(ran.outcomes().values()) == {"applied"}
    assert "could not be verified" in ran.json["notes"][0]
    rounds.assert_report_agrees(ran)
    rounds.assert_converges()


def test_record__lost_answers_lose_nothing(repo: Repo, proxy: FaultProxy) -> None:
    """Those of the intent and of the result, and of the lock."""
    rounds = Rounds(repo, proxy, 4)
    for fault in (reset_request, drop_answer):
        for nth in (1, 2):
            reasons = rounds.next()
            proxy.add(Rule(fault, "PUT", r"/kv/kestra-sync\.", nth=nth))
            proxy.add(Rule(fault, "PUT", r"/kv/kestra-sync-lock\."))
            proxy.add(Rule(fault, "DELETE", r"/kv/kestra-sync-lock\."))
            ran = repo.apply()
            assert (ran.code, set(ran.outcomes().values())) == (0, {"applied"})
            assert ran.reasons() == reasons
            assert not repo.client.kv.search(f"kestra-sync-lock.{repo.name}")
            rounds.assert_done()
            proxy.clear()


def test_second_writer__edit_around_an_update_is_reported(repo: Repo, proxy: FaultProxy) -> None:
    """Between the plan and the write, right before it, and right after it."""
    rounds = Rounds(repo, proxy, 4)
    goal = rounds.goal

    def conflict(ran: RunResult) -> str:
        assert (ran.code, ran.outcomes()["update"]) == (5, "conflict")
        (found,) = [each for each in ran.json["outcomes"] if each["status"] == "conflict"]
        proxy.clear()
        return str(found["message"])

    rounds.next()
    theirs = repo.source("update", "by hand")
    intent = r"/kv/kestra-sync-run\."
    proxy.add(Rule(call_after(lambda: repo.edit("update", theirs)), "PUT", intent))
    ran = repo.apply("--parallelism", "1")
    words = "was edited on the server since the plan was created (now at revision 2)"
    assert words in conflict(ran)
    outcomes = {"create0": "applied", "update": "conflict", "delete0": "not-attempted"}
    assert ran.outcomes() == outcomes
    assert repo.live("update") == theirs
    ran = repo.apply("--on-drift", "fail")
    assert (ran.code, ran.reasons()["update"]) == (5, "update conflict")
    assert repo.apply("--on-drift", "overwrite").code == 0
    assert repo.lives() == goal

    # Kestra has no precondition: their revision is overwritten, and still readable.
    rounds.next()
    rounds.fail("update", call_first(lambda: repo.edit("update", theirs)))
    words = "revision 4, written by someone else just before, was overwritten"
    assert words in conflict(repo.apply())
    assert repo.client.flows.get(repo.id("update"), revision=4).source == theirs
    assert repo.live("update") == goal["update"]
    assert repo.agrees()
    assert repo.apply().code == 0

    reasons = rounds.next()
    rounds.fail("update", call_after(lambda: repo.edit("update", theirs)))
    ran = repo.apply()
    assert conflict(ran)
    assert ran.reasons() == reasons
    assert repo.live("update") == theirs
    ran = repo.apply()
    assert (ran.code, ran.reasons()["update"]) == (0, "update drift")
    assert repo.lives() == goal

    rounds.next()
    rounds.fail("update", call_first(lambda: repo.client.flows.delete(repo.id("update"))))
    assert conflict(repo.apply())
    assert repo.agrees() or "update" in repo.owned()
    assert repo.apply().code == 0
    assert repo.lives() == goal


def test_second_writer__that_creates_or_deletes_is_reported(repo: Repo, proxy: FaultProxy) -> None:
    """Also right before the write, after the last check."""
    rounds = Rounds(repo, proxy, 3)
    rounds.next()
    equal, gone = rounds.goal["create0"], repo.id("delete0")
    rounds.fail("create", call_first(lambda: repo.client.flows.create(equal)))
    rounds.fail("delete", call_first(lambda: repo.client.flows.delete(gone)))
    ran = repo.apply()
    assert (ran.code, set(ran.outcomes().values())) == (0, {"applied"})
    rounds.assert_done()
    proxy.clear()

    rounds.next()
    theirs = repo.source("create1", "theirs")
    rounds.fail("create", call_first(lambda: repo.client.flows.create(theirs)))
    ran = repo.apply()
    assert (ran.code, ran.outcomes()["create1"]) == (5, "conflict")
    assert repo.live("create1") == theirs
    assert repo.agrees()
    assert "create1" not in repo.owned()
    proxy.clear()
    assert repo.apply("--take-over").code == 0
    assert repo.lives() == rounds.goal

    # One look before the writes sees what was created since the plan.
    rounds.next()
    before, early = repo.lives(), repo.source("create2", "theirs")
    lock = r"/kv/kestra-sync-lock\."
    proxy.add(Rule(call_after(lambda: repo.client.flows.create(early)), "PUT", lock))
    ran = repo.apply()
    assert ran.code == 5
    assert ran.outcomes() == {
        "create2": "conflict",
        "update": "not-attempted",
        "delete2": "not-attempted",
    }
    assert repo.lives() == before | {"create2": early}


def test_export__colliding_names_are_handled(repo: Repo) -> None:
    """``a.b`` + ``c-d`` and ``a.b-c`` + ``d`` share a file name in the export of Kestra."""
    repo.config()
    left = repo.flow("one-etl", ns=f"{repo.namespace}.team")
    right = repo.flow("etl", ns=f"{repo.namespace}.team-one")
    assert repo.apply().code == 0
    assert sorted(repo.lives().values()) == sorted([left, right])
    repo.flow("more")
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"more": "create new"})
    assert len(repo.inventory()["resources"]) == 3


def test_inventory__flow_missing_from_a_bulk_read_is_kept(repo: Repo, proxy: FaultProxy) -> None:
    """It is older than the record, as another apply ended in between; or the server cut it."""
    repo.config()
    stale = zipped({"a": repo.flow("a")})
    repo.flow("b")
    assert repo.apply().code == 0
    repo.flow("c", "another")
    repo.remove("b")
    answer = reply(200, {"Content-Type": "application/octet-stream"}, stale)
    proxy.add(Rule(answer, "GET", "/flows/export"))
    ran = repo.apply()
    assert ran.reasons() == {"b": "delete removed", "c": "create new"}
    assert ran.code == 0
    assert set(repo.lives()) == set(repo.owned()) == {"a", "c"}
