"""Two applies of one name at the same time: the second waits, or is refused."""

from __future__ import annotations

import threading

from tests.e2e.sync.conftest import Repo, RunResult
from tests.e2e.sync.processes import Process
from tests.support.proxy import FaultProxy, Rule, call_after, call_first
from tests.support.server import Server
from tests.support.sources import subflow


def take(repo: Repo, ttl: str = "PT5M") -> str:
    """Hold the lock as a run that does not end does; returns its key."""
    key = f"kestra-sync-lock.{repo.name}"
    holder = {"nonce": "theirs", "who": "job 7", "since": "2020-01-01T00:00:00Z"}
    repo.client.kv.put(repo.namespace, key, holder, ttl=ttl)
    return key


def test_lock__second_apply_is_refused_while_one_is_running(
    repo: Repo, proxy: FaultProxy, server: Server
) -> None:
    repo.config()
    goal = {name: repo.flow(name) for name in ("a", "b")}
    refused: list[RunResult] = []

    def second() -> None:
        process = Process(repo.root)
        args = ("--yes", "--format", "json", "--lock-timeout", "0", "--url", server.url)
        process.start("apply", *args)
        refused.append(process.end())

    proxy.add(Rule(call_first(second), "POST", r"/flows$"))
    first = repo.apply("--parallelism", "1")
    assert first.code == 0
    (ran,) = refused
    assert (ran.code, ran.json["exit_code"]) == (5, 5)
    message = ran.json["error"]["message"]
    assert f"another apply of {repo.name!r} is running" in message
    assert "(process " in message
    assert "kestra-sync unlock" in ran.json["error"]["remedy"]
    assert repo.lives() == goal
    assert {repo.revision(name) for name in goal} == {1}
    assert repo.agrees()


def test_lock__plan_is_repeated_after_another_apply(repo: Repo, proxy: FaultProxy) -> None:
    """The run that it waited for changed the state that the plan used."""
    repo.config()
    repo.flow("a")
    other = repo.neighbor("other")
    other.label = ""  # another checkout of the same repository
    other.config()
    other.flow("b")

    def apply_there() -> None:
        process = Process(other.root)
        process.start("apply", "--yes", "--url", repo.client.url)
        assert process.end().code == 0

    # The plan is made; the look at the lock is the next request.
    proxy.add(Rule(call_first(apply_there), "GET", r"/kv/kestra-sync-lock\."))
    ran = repo.apply()
    assert ran.code == 5
    assert "ran since the plan was created" in ran.json["error"]["message"]
    assert set(repo.lives()) == set(repo.owned()) == {"b"}
    assert not repo.client.kv.search(f"kestra-sync-lock.{repo.name}")


def test_lock__stale_one_expires(repo: Repo) -> None:
    """The lock, which is waited for, expires on the server without a run that removes it."""
    repo.config()
    repo.flow("a")
    take(repo, ttl="PT1S")
    assert repo.apply("--lock-timeout", "120").code == 0
    assert repo.live("a")


def test_lock__run_that_lost_it_stops(repo: Repo, proxy: FaultProxy) -> None:
    """It stops before the next level of writes, and keeps the record of the other run."""
    repo.config()

    def change(text: str) -> None:
        repo.flow("called", text)
        repo.write("flows/caller.yaml", subflow(repo.namespace, "caller", "called") + f"# {text}\n")

    def lose(recorded: bool, method: str, path: str) -> None:
        def overtake() -> None:
            take(repo)
            if recorded:
                theirs = {**repo.inventory(), "generation": 99}
                repo.client.kv.put(repo.namespace, repo.key, theirs)

        change(method)
        proxy.add(Rule(call_after(overtake), method, path))
        ran = repo.apply()
        assert ran.code == 6
        assert ran.outcomes() == {"called": "applied", "caller": "not-attempted"}
        assert "the lock was released" in ran.json["notes"][0]
        assert ("the inventory was not written" in ran.json["notes"][-1]) is recorded
        assert repo.inventory()["generation"] == (99 if recorded else 2)
        repo.client.kv.delete(repo.namespace, f"kestra-sync-lock.{repo.name}")

    lose(False, "POST", r"/flows$")
    lose(True, "PUT", "/flows/[^/]+/called$")
    assert repo.apply().code == 0
    assert set(repo.lives()) == set(repo.owned()) == {"called", "caller"}


def test_unlock__releases_the_lock_that_an_adoption_needs(repo: Repo) -> None:
    repo.config()
    repo.client.flows.create(repo.flow("a"))
    take(repo)
    ran = repo.apply("--lock-timeout", "0")
    assert ran.code == 5
    assert "job 7 since 2020-01-01T00:00:00Z" in ran.json["error"]["message"]
    assert "held by job 7" in repo.run("unlock", "--yes").out
    assert repo.apply("--lock-timeout", "0").code == 0
    assert set(repo.owned()) == {"a"}
    take(repo)  # nothing to write, nothing to record: nothing to wait for
    assert repo.apply("--lock-timeout", "0").code == 0


def test_lock__is_taken_while_the_plan_is_made_and_only_if_files_differ(
    repo: Repo, proxy: FaultProxy
) -> None:
    """And given back where the plan is refused; an apply with nothing to do writes nothing."""
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    proxy.forget()
    assert repo.apply().code == 0
    assert {each.method for each in proxy.requests if "validate" not in each.path} == {"GET"}
    repo.flow("a", "changed")
    proxy.forget()
    lock = f"kestra-sync-lock.{repo.name}"
    locked = threading.Event()
    proxy.add(Rule(call_after(locked.set), "PUT", f"{lock}$"))
    early: list[bool] = []
    wait = call_first(lambda: early.append(locked.wait(30)))
    proxy.add(Rule(wait, "GET", "/flows/export/"))
    assert repo.apply().code == 0
    assert early == [True]
    assert proxy.count("PUT", f"{lock}$") == 1
    repo.flow("a", extra="nonsense: true\n")
    proxy.forget()
    assert repo.apply().code == 3
    assert proxy.count("PUT", f"{lock}$") == proxy.count("DELETE", f"{lock}$") == 1
    assert not repo.client.kv.search(lock)
