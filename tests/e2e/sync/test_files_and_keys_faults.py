"""Faults while files and keys are written: cut connections, lost responses, other writers.

Kestra deletes the neighbor of a file that it is told to delete and that does not exist. So a
deletion may be sent only once, and only if the file is there.
"""

from __future__ import annotations

import os
import re
import signal
from functools import partial
from typing import Any

import pytest

from kestra_sync.model import sha256
from tests.e2e.sync.conftest import Repo
from tests.e2e.sync.processes import Process, await_silence
from tests.support.proxy import (
    Exchange,
    FaultProxy,
    Rule,
    call_after,
    call_first,
    drop_answer,
    relay,
    reply,
    reset_request,
)

#: Writes in each round of :func:`_round`.
WRITTEN = 9
WRITES = re.compile(r"/files$|/kv/(?!kestra-sync)[^/]+$|/flows(/[^/]+/[^/]+)?$")


class Cut:
    """The connection ends with the n-th write, whose answer is lost: as if the run was killed.

    With 0 it ends right before the first one.
    """

    def __init__(self, writes: int) -> None:
        self.left = writes
        self.dead = False

    def __call__(self, exchange: Exchange) -> None:
        seen = exchange.seen
        if not self.dead and (seen.method == "GET" or not WRITES.search(seen.path)):
            relay(exchange)
        elif not self.dead and self.left > 1:
            self.left -= 1
            relay(exchange)
        elif self.dead or self.left == 0:
            self.dead = True
            reset_request(exchange)
        else:
            self.dead = True
            drop_answer(exchange)


def _round(repo: Repo, number: int) -> dict[str, object]:
    """Git after so many rounds; each updates, creates, moves and deletes. Returns what it has."""
    for old in (repo.root / "files").rglob("*.txt"):
        old.unlink()
    text = f"round {number}"
    files = {"up.txt": text, f"x{number}/a.txt": text, f"m{number}/moved.txt": "moved\n" * 20}
    for path, each in files.items():
        repo.write(f"files/{path}", each)
    keys = {"up": text, f"new{number}": number}
    repo.keys(
        f"  up: {{value: {text}, ttl: PT1H, description: in {text}}}\n  new{number}: {number}\n"
    )
    data = {path: each.encode() for path, each in files.items()}
    return {"f": repo.flow("f", text), **data, **keys}


def _is_true(repo: Repo, theirs: dict[str, object]) -> None:
    """What the record claims is on the server, but for what the run may have written.

    So is what is of others.
    """
    record, state = repo.inventory(), repo.state()
    assert theirs.items() <= state.items()
    meant = {each["id"] for each in record.get("intent", {}).get("writes", ())}
    for each in record["resources"]:
        there = state.get(each["id"])
        if isinstance(there, bytes):
            there = sha256(there) == each.get("sent_sha256", each["file_sha256"])
        assert there or each["id"] in meant, each


def _unlock(repo: Repo) -> None:
    """Remove the lock of a dead run, which would be waited for until it expires."""
    for each in repo.client.kv.search(f"kestra-sync-lock.{repo.name}"):
        repo.client.kv.delete(each.namespace, each.key)


def test_cut__at_any_write_is_completed_by_the_next_run(repo: Repo, proxy: FaultProxy) -> None:
    """Three files, three keys, a moved file and a flow; files of others are next to the deleted."""
    repo.config_all()
    _round(repo, 0)
    assert repo.apply().code == 0
    repo.client.kv.put(repo.namespace, "theirs", "theirs")
    theirs: dict[str, object] = {"theirs": "theirs"}
    # Before the first write, in those of files, of keys and of the flow, in the deletions of files
    # and keys, after the last one, and in none.
    for number, writes in enumerate((0, 2, 4, 6, 7, WRITTEN, WRITTEN + 1), 1):
        path = f"x{number - 1}/a.txt.old"
        repo.client.files.put(repo.namespace, path, b"theirs")
        theirs[path] = b"theirs"
        cut = Cut(writes)
        goal = _round(repo, number)
        proxy.add(Rule(cut, times=None))
        ran = repo.apply("--parallelism", "1", "--allow-large")
        proxy.clear()
        assert (ran.code != 0) is cut.dead is (writes <= WRITTEN), ran.out
        _is_true(repo, theirs)
        _unlock(repo)
        if cut.dead:
            ran = repo.apply("--allow-large")
            assert ran.code == 0, ran.out
            assert len(ran.outcomes()) == WRITTEN - writes  # nothing is done twice
        assert repo.state() == {**goal, **theirs}
        assert {each["id"] for each in repo.inventory()["resources"]} == set(goal)
        assert "intent" not in repo.inventory()
    assert repo.plan("--detailed-exitcode").code == 0
    (up,) = (each for each in repo.client.kv.list(repo.namespace) if each.key == "up")
    assert (up.description, up.ttl) == (f"in round {number}", 3600)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_run__with_files_and_keys_is_completed_by_the_next(
    repo: Repo, proxy: FaultProxy
) -> None:
    """SIGKILL in the writes of keys, in deletions, before the result is stored."""
    repo.config_all()
    _round(repo, 0)
    assert repo.apply().code == 0
    theirs: dict[str, object] = {}
    points = (
        ("PUT", "/kv/up$", 1),
        ("DELETE", "/files$", 1),
        ("PUT", r"/kv/kestra-sync\.", 2),
    )
    for number, (method, path, nth) in enumerate(points, 1):
        neighbor = f"x{number - 1}/a.txt.old"
        repo.client.files.put(repo.namespace, neighbor, b"theirs")
        theirs[neighbor] = b"theirs"
        goal = _round(repo, number)
        process = Process(repo.root)
        kill = process.send(signal.SIGKILL)
        last = nth == 2 and method == "PUT"
        fault = call_first(kill, reset_request) if last else call_after(kill)
        proxy.add(Rule(fault, method, path, nth=nth))
        proxy.forget()
        process.start("apply", "--yes", "--allow-large", "--parallelism", "2")
        assert process.end().code == -signal.SIGKILL, (method, path)
        await_silence(proxy)
        proxy.clear()
        written = sum(it.method != "GET" and bool(WRITES.search(it.path)) for it in proxy.requests)
        # Other writes may be on their way at the kill.
        assert written == WRITTEN if last else 0 < written <= WRITTEN
        _is_true(repo, theirs)
        _unlock(repo)
        ran = repo.apply("--allow-large")
        assert ran.code == 0, ran.out
        assert len(ran.outcomes()) == WRITTEN - written  # nothing is done twice
        assert repo.state() == {**goal, **theirs}
        assert {each["id"] for each in repo.inventory()["resources"]} == set(goal)
        assert "intent" not in repo.inventory()
    assert repo.plan("--detailed-exitcode").code == 0
    assert repo.client.files.revisions(repo.namespace, "up.txt")[-1] == len(points) + 1


def test_lost_response__is_resolved_by_reading(repo: Repo, proxy: FaultProxy) -> None:
    """Each write arrives and its answer is lost, or never arrives; nothing is done twice."""
    space, client = repo.namespace, repo.client
    repo.config_all()
    repo.flow("f")
    repo.write("files/sql/top.sql", b"select 1;\n")
    repo.keys("  region: emea\n  other: 1\n")
    assert repo.apply().code == 0
    names = ("one.txt", "one.txt.bak", "one.txt2")
    for name in names:
        repo.write(f"files/only/{name}", name)
    repo.keys("  region: apac\n  other: 1\n")
    proxy.add(Rule(drop_answer, "POST", "/files$", times=1))
    proxy.add(Rule(reset_request, "PUT", "/kv/region$", times=1))
    ran = repo.apply()
    assert ran.code == 0, ran.out
    assert client.kv.get(space, "region") == "apac"

    # A deletion that got lost is not sent again: it would delete what is next to the file.
    (repo.root / "files/only/one.txt2").unlink()
    proxy.forget()
    proxy.add(Rule(drop_answer, "DELETE", "/files$", times=1))
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (0, {"only/one.txt2": "delete removed"})
    assert proxy.count("DELETE", "/files$") == 1
    assert set(client.files.names(space)) == {"only/one.txt", "only/one.txt.bak", "sql/top.sql"}

    # The same where the server cannot be asked afterwards: not even the next run deletes again.
    (repo.root / "files/only/one.txt").unlink()
    proxy.forget()
    proxy.add(Rule(drop_answer, "DELETE", "/files$", times=1))
    proxy.add(Rule(reply(403), "GET", "/files$", nth=2, times=None))
    ran = repo.apply()
    assert ran.code == 6, ran.out
    assert ran.outcomes() == {"only/one.txt": "failed"}
    proxy.clear()
    ran = repo.apply()
    assert (ran.code, ran.json["plan"]["changes"][0]["reason"]) == (0, "dropped"), ran.out
    assert proxy.count("DELETE", "/files$") == 1
    assert set(client.files.names(space)) == {"only/one.txt.bak", "sql/top.sql"}

    (repo.root / "files/only/one.txt.bak").unlink()
    proxy.add(Rule(reset_request, "DELETE", "/files$", times=1))
    ran = repo.apply()
    assert ran.outcomes() == {"only/one.txt.bak": "failed"}
    assert client.files.get(space, "only/one.txt.bak") == b"one.txt.bak"
    assert repo.apply().code == 0
    assert set(client.files.names(space)) == {"sql/top.sql"}
    assert client.kv.get(space, "other") == 1


@pytest.mark.parametrize("kind", ["file", "kv"])
def test_second_writer__is_named_and_not_overwritten(
    repo: Repo, proxy: FaultProxy, kind: str
) -> None:
    """Someone creates, edits or deletes what is to be written, after the plan was made."""
    space, client = repo.namespace, repo.client
    file = kind == "file"
    git: dict[str, str] = {}

    def write_git(**changed: str | None) -> None:
        git.update({name: text for name, text in changed.items() if text})
        for name, text in changed.items():
            if text is None:
                git.pop(name, None)
        for old in (repo.root / "files").rglob("*"):
            old.unlink()
        (repo.root / "files").mkdir(exist_ok=True)
        for name, text in git.items() if file else ():
            repo.write(f"files/{name}", text)
        repo.keys("".join(f"  {name}: {text}\n" for name, text in git.items() if not file) or " {}")

    def put(name: str, text: str) -> None:
        client.files.put(space, name, text.encode()) if file else client.kv.put(space, name, text)

    def delete(name: str) -> None:
        client.files.delete(space, name) if file else client.kv.delete(space, name)

    def live() -> dict[str, object]:
        return {
            name: each.decode() if isinstance(each, bytes) else each
            for name, each in repo.state().items()
            if name != "f"
        }

    def write(theirs: dict[str, str | None]) -> None:
        for name, text in theirs.items():
            put(name, text) if text else delete(name)

    repo.config_all()
    repo.flow("f")
    write_git(up1="base", up2="base", gone1="base", gone2="base", same="base")
    assert repo.apply().code == 0
    conflict, base = (5, "conflict"), live()
    same: dict[str, str | None] = {"new2": "ours", "gone2": None}
    # What Git changes, what someone else changes, and the outcome and message of each.
    cases: list[
        tuple[dict[str, str | None], dict[str, str | None], tuple[int, str], tuple[str, ...]]
    ] = [
        ({"new1": "ours"}, {"new1": "theirs"}, conflict, ("was created on the server since",)),
        ({"up1": "ours"}, {"up1": "theirs"}, conflict, ("was edited on the server since",)),
        ({"up2": "ours"}, {"up2": None}, conflict, ("was deleted on the server since",)),
        ({"gone1": None}, {"gone1": "theirs"}, conflict, ("was edited on the server since",)),
        (same, same, (0, "applied"), ("someone else created the same", "was already deleted")),
    ]
    for change, theirs, expected, messages in cases:
        write_git(**change)
        proxy.forget()
        proxy.add(Rule(call_after(partial(write, theirs)), "PUT", r"/kv/kestra-sync-run\."))
        ran = repo.apply()
        proxy.clear()
        outcomes = {each["flow"]["id"]: each for each in ran.json["outcomes"]}
        assert set(outcomes) == set(change)
        for name, message in zip(change, messages, strict=True):
            assert (ran.code, outcomes[name]["status"]) == expected, (change, theirs)
            assert message in outcomes[name]["message"]
        assert not [
            each for each in proxy.requests if each.method != "GET" and WRITES.search(each.path)
        ]
        base = {name: each for name, each in {**base, **theirs}.items() if each}
        assert live() == base
        write_git(**theirs)  # Git agrees


def test_second_writer__of_a_key_in_the_last_moment_is_named(repo: Repo, proxy: FaultProxy) -> None:
    """Kestra has no precondition, and keeps no versions of keys: their value is lost."""
    repo.config("kv: [kv/*.yaml]\n")
    repo.flow("f")
    repo.keys("  region: emea\n")
    assert repo.apply().code == 0
    repo.keys("  region: apac\n")
    put = repo.client.kv.put
    theirs = call_first(lambda: put(repo.namespace, "region", "theirs"))
    proxy.add(Rule(theirs, "PUT", "/kv/region$"))
    ran = repo.apply()
    (outcome,) = ran.json["outcomes"]
    assert (ran.code, outcome["status"]) == (5, "conflict")
    assert "revision 2, written by someone else just before, was overwritten" in outcome["message"]
    assert "readable" not in outcome["message"]
    assert repo.client.kv.get(repo.namespace, "region") == "apac"


def test_second_writer__of_a_file_in_the_last_moment_is_named(
    repo: Repo, proxy: FaultProxy
) -> None:
    """The revision before ours is read only if the inventory does not have its number."""
    space, files = repo.namespace, repo.client.files
    repo.config(f"files: [{{path: files, namespace: {space}}}]\n")
    repo.flow("f")

    def apply(text: str, *args: str, rule: Rule | None = None) -> tuple[int, dict[str, Any], int]:
        repo.write("files/a.sql", text)
        proxy.clear()
        proxy.forget()
        if rule is not None:
            proxy.add(rule)
        ran = repo.apply(*args)
        (outcome,) = ran.json["outcomes"]
        of_one = [it for it in proxy.requests if it.method == "GET" and "a.sql" in it.query]
        return ran.code, outcome, len(of_one)

    def theirs() -> Rule:
        write = call_first(partial(files.put, space, "a.sql", b"theirs"))
        return Rule(write, "POST", "/files$")

    repo.write("files/a.sql", "one")
    assert repo.apply().code == 0
    assert apply("two")[::2] == (0, 3)  # before, its revisions, and the one before
    assert repo.inventory()["resources"][0]["revision"] == 2
    assert apply("three")[::2] == (0, 2)
    code, outcome, _ = apply("four", rule=theirs())
    assert (code, outcome["status"], outcome["revision"]) == (5, "conflict", 5)
    assert "revision 4, written by someone else just before, was" in outcome["message"]
    assert "overwritten by revision 5 and still readable" in outcome["message"]
    assert files.get(space, "a.sql") == b"four"
    assert apply("five")[::2] == (0, 2)

    assert apply("six", "--rollback", rule=theirs())[0] == 1  # failed, and rolled back
    assert files.get(space, "a.sql") == b"theirs"
