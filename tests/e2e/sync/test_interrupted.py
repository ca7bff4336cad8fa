"""Killed and interrupted runs: the next run completes them.

Each test deploys once, and then interrupts one run after another.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, field

import pytest

from tests.e2e.sync.conftest import Repo, RunResult
from tests.e2e.sync.processes import Process, await_silence
from tests.support.proxy import FaultProxy, Rule, call_after, call_first, reset_request

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

RECORD = r"/kv/kestra-sync\."
CREATES = 8
#: Creations, four updates, and the deletion of what the round before has created.
WRITES = CREATES + 4 + CREATES


@dataclass
class Rounds:
    """A repository whose every round has creations, updates and deletions to write."""

    repo: Repo
    goal: dict[str, bytes] = field(default_factory=dict)
    number: int = -1

    def next(self) -> None:
        """Change Git: :data:`WRITES` writes."""
        repo = self.repo
        if self.number < 0:
            repo.config()
            self.goal = {"same": repo.flow("same")}
        self.number += 1
        for name in [each for each in self.goal if each.startswith("new")]:
            self.drop(name)
        for index in range(4):
            self.goal[f"up{index}"] = repo.flow(f"up{index}", f"round {self.number}")
        for index in range(CREATES):
            name = f"new{self.number}-{index}"
            self.goal[name] = repo.flow(name)

    def drop(self, name: str) -> None:
        """Remove a flow from Git."""
        self.repo.remove(name)
        del self.goal[name]

    def unlock(self) -> None:
        """Remove the lock of a dead run, which would be waited for until it expires."""
        for each in self.repo.client.kv.search(f"kestra-sync-lock.{self.repo.name}"):
            self.repo.client.kv.delete(each.namespace, each.key)

    def complete(self) -> None:
        """Run the command: nothing is lost or duplicated, and the record is complete."""
        repo = self.repo
        ran = repo.apply("--allow-large")
        assert ran.code == 0, ran.err
        assert repo.lives() == self.goal
        found = {each.flow_id.id: each.revision for each in repo.client.flows.search(repo.scope)}
        assert found == {
            name: self.number + 1 if name.startswith("up") else 1 for name in self.goal
        }
        assert set(repo.owned()) == set(self.goal)
        assert repo.agrees()
        assert "intent" not in repo.inventory()


@pytest.fixture
def rounds(repo: Repo) -> Rounds:
    """The first round is deployed."""
    made = Rounds(repo)
    made.next()
    assert repo.apply().code == 0
    return made


#: Each with what is killed at which request, and whether the request arrives.
KILLS = {
    "before the intent is stored": [("PUT", RECORD, 1, False)],
    "in the first creation": [("POST", r"/flows$", 1, True)],
    "in the first deletion": [("DELETE", r"/flows/[^/]+/new", 1, True)],
    "before the result is stored": [("PUT", RECORD, 2, False)],
    # Each run knows what the previous runs wrote.
    "in the middle, twice in a row": [("POST", r"/flows$", 3, True), ("POST", r"/flows$", 2, True)],
}


@posix
def test_killed_run__is_completed_by_the_next(rounds: Rounds, proxy: FaultProxy) -> None:
    repo, journal = rounds.repo, rounds.repo.root / "journal.jsonl"
    for when, rules in KILLS.items():
        rounds.next()
        for method, path, nth, arrives in rules:
            journal.unlink(missing_ok=True)
            process = Process(repo.root)
            kill = process.send(signal.SIGKILL)
            fault = call_after(kill) if arrives else call_first(kill, reset_request)
            rule = proxy.add(Rule(fault, method, path, nth=nth))
            process.start(
                *("apply", "--yes", "--allow-large", "--journal", journal.name),
                *("--parallelism", "2"),  # so that not all is written
            )
            assert process.end().code == -signal.SIGKILL, when
            assert rule.seen >= nth, when
            await_silence(proxy)
            proxy.clear()
            # The journal explains what the run was about when it died.
            events = [json.loads(line)["event"] for line in journal.read_text().splitlines()]
            assert events[0] == "begin"
            assert "end" not in events
            assert ("intend" in events) is (path != RECORD or nth == 2), when
            rounds.unlock()
            if len(rules) > 1:
                # Git moves on in between, away from something that was just created.
                created = [name for name in repo.lives() if name.startswith(f"new{rounds.number}")]
                rounds.drop(min(set(created) & set(rounds.goal)))
        rounds.complete()
    assert repo.plan("--detailed-exitcode").code == 0


@posix
def test_interrupt__completes_running_writes_and_reports_them(
    rounds: Rounds, proxy: FaultProxy
) -> None:
    repo = rounds.repo

    def interrupt(signals: tuple[int, ...], method: str, path: str, nth: int) -> RunResult:
        rounds.next()
        process = Process(repo.root)
        rule = proxy.add(Rule(call_first(process.send(*signals)), method, path, nth=nth))
        process.start("apply", "--yes", "--allow-large", "--format", "json")
        ran = process.end()
        assert ran.code == ran.json["exit_code"] == 130
        assert rule.seen >= nth
        proxy.clear()
        assert not repo.client.kv.search(f"kestra-sync-lock.{repo.name}")
        return ran

    # The second as CI cancels a job.
    for signals in (signal.SIGINT,), (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
        before = repo.lives()
        ran = interrupt(signals, "POST", r"/flows$", 3)
        assert ran.json["interrupted"] is True
        outcomes = ran.outcomes()
        assert len(outcomes) == WRITES
        assert set(outcomes.values()) == {"applied", "not-attempted"}
        done = {name for name, status in outcomes.items() if status == "applied"}
        lives = repo.lives()
        assert {name: lives.get(name) for name in outcomes} == {
            name: (rounds.goal if name in done else before).get(name) for name in outcomes
        }
        assert set(repo.owned()) == set(lives)
        assert repo.agrees()
        assert "intent" not in repo.inventory()
        assert repo.inventory()["history"][-1]["result"] == "interrupted"
        rounds.complete()

    before = repo.lives()
    interrupt((signal.SIGTERM,), "GET", "/flows/export", 1)
    assert repo.lives() == before  # before the writes, it writes nothing
    rounds.complete()

    ran = interrupt((signal.SIGINT,), "PUT", RECORD, 2)
    assert set(ran.outcomes().values()) == {"applied"}
    assert repo.lives() == rounds.goal
    assert set(repo.owned()) == set(rounds.goal)
    assert repo.plan("--detailed-exitcode").code == 0


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
    ran = repo.apply("--on-drift", "overwrite")
    assert ran.code == 4  # nor is what was not ours overwritten
    assert ran.reasons() == {"a": "update take-over", "b": "none foreign"}
    assert repo.apply("--take-over").code == 0
    assert repo.lives() == {"a": repo.source("a"), "b": theirs["b"]}
    assert set(repo.owned()) == {"a"}
