"""Killed and interrupted runs: the next run completes them."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.e2e.sync.conftest import Repo
from tests.e2e.sync.processes import (
    CREATES,
    Process,
    assert_ends_well,
    await_silence,
    prepared,
)
from tests.support.proxy import FaultProxy, Rule, call_after, call_first, reset_request

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

RECORD = r"/kv/kestra-sync\."
#: The next request after these: the last writes of the run are deletions.
LAST = ("DELETE", r"/flows/[^/]+/gone\d$")


@posix
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(("PUT", RECORD, 1, False), id="before the intent is stored"),
        pytest.param(("POST", r"/flows$", 1, True), id="in the first creation"),
        pytest.param(("POST", r"/flows$", 7, True), id="in the middle"),
        pytest.param((*LAST, 1, True), id="in the first deletion"),
        pytest.param(("PUT", RECORD, 2, False), id="before the result is stored"),
    ],
)
def test_killed_run__is_completed_by_the_next(
    repo: Repo, proxy: FaultProxy, rule: tuple[str, str, int, bool]
) -> None:
    goal = prepared(repo)
    method, path, nth, arrives = rule
    process = Process(repo.root)
    kill = process.send(signal.SIGKILL)
    fault = call_after(kill) if arrives else call_first(kill, reset_request)
    added = proxy.add(Rule(fault, method, path, nth=nth))
    proxy.forget()
    process.start("apply", "--yes", "--journal", "journal.jsonl")
    assert process.end().code == -signal.SIGKILL
    assert added.seen >= nth
    await_silence(proxy)
    # The journal explains what the run was about when it died.
    journal = (repo.root / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in journal]
    assert events[0] == "begin"
    assert "end" not in events
    assert ("intend" in events) is (path != RECORD or nth == 2)
    assert_ends_well(repo, goal)


@posix
def test_killed_run__two_kills_in_a_row_lose_nothing(repo: Repo, proxy: FaultProxy) -> None:
    """Each run knows what the previous runs wrote."""
    goal = prepared(repo, 14)
    for nth in (5, 3):
        process = Process(repo.root)
        kill = call_after(process.send(signal.SIGKILL))
        rule = proxy.add(Rule(kill, "POST", r"/flows$", nth=nth))
        process.start("apply", "--yes", "--parallelism", "2")  # so that not all is written
        assert process.end().code == -signal.SIGKILL
        assert rule.seen >= nth
        await_silence(proxy)
        assert repo.run("unlock", "--yes").code == 0
        # Git moves on in between, away from something that was just created.
        created = sorted(name for name in repo.lives() if name.startswith("new") and name in goal)
        repo.remove(created[0])
        del goal[created[0]]
    assert_ends_well(repo, goal)


@posix
@pytest.mark.parametrize(
    "signals",
    [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM, signal.SIGTERM)],
    ids=["SIGINT", "SIGTERM", "as CI cancels a job"],
)
def test_interrupt__completes_running_writes_and_reports_them(
    repo: Repo, proxy: FaultProxy, signals: tuple[int, ...]
) -> None:
    goal = prepared(repo)
    before = repo.lives()
    process = Process(repo.root)
    proxy.add(Rule(call_first(process.send(*signals)), "POST", r"/flows$", nth=3))
    process.start("apply", "--yes", "--format", "json")
    ran = process.end()
    assert ran.code == ran.json["exit_code"] == 130
    assert ran.json["interrupted"] is True
    outcomes = ran.outcomes()
    assert len(outcomes) == CREATES + 6
    assert set(outcomes.values()) == {"applied", "not-attempted"}
    done = {name for name, status in outcomes.items() if status == "applied"}
    assert {
        name: source for name, source in repo.lives().items() if before.get(name) != source
    } == {name: goal[name] for name in done}
    assert set(repo.owned()) == {*before, *done}
    assert repo.agrees()
    assert "intent" not in repo.inventory()
    assert repo.inventory()["history"][-1]["result"] == "interrupted"
    assert not repo.client.kv.search(f"kestra-sync-lock.{repo.name}")
    assert_ends_well(repo, goal)


@posix
def test_interrupt__while_recording_loses_nothing(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo, 2)
    process = Process(repo.root)
    proxy.add(Rule(call_first(process.send(signal.SIGINT)), "PUT", RECORD, nth=2))
    process.start("apply", "--yes", "--format", "json")
    ran = process.end()
    assert (ran.code, set(ran.outcomes().values())) == (130, {"applied"})
    assert repo.lives() == goal
    assert set(repo.owned()) == set(goal)
    assert_ends_well(repo, goal)


@posix
def test_an_interrupt_before_the_writes_writes_nothing(repo: Repo, proxy: FaultProxy) -> None:
    goal = prepared(repo, 2)
    before = repo.lives()
    process = Process(repo.root)
    proxy.add(Rule(call_first(process.send(signal.SIGTERM)), "GET", "/flows/export"))
    process.start("apply", "--yes", "--format", "json")
    ran = process.end()
    assert ran.code == ran.json["exit_code"] == 130
    assert repo.lives() == before
    assert_ends_well(repo, goal)


def test_killed_run__intended_creation_is_not_owned(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flow that someone else created in the meantime is taken over visibly, or left alone."""

    class KilledError(BaseException):
        pass

    def killed(*_args: object) -> None:
        raise KilledError

    repo.config()
    repo.flow("a")
    repo.flow("b")
    with monkeypatch.context() as patch:
        patch.setattr("kestra_sync.apply.transaction._write", killed)
        with pytest.raises(KilledError):
            repo.apply()
    assert {each["id"] for each in repo.inventory()["intent"]["writes"]} == {"a", "b"}
    theirs = {name: repo.source(name, "theirs") for name in "ab"}
    for source in theirs.values():
        repo.client.flows.create(source)
    repo.remove("b")
    assert repo.plan().reasons() == {"a": "update take-over", "b": "none foreign"}
    assert repo.apply("--on-drift", "overwrite").code == 4  # nor is what was not ours overwritten
    assert repo.apply("--take-over").code == 0
    assert repo.lives() == {"a": repo.source("a"), "b": theirs["b"]}
    assert set(repo.owned()) == {"a"}
