"""``--journal``: a line before and after each write."""

from __future__ import annotations

import json
from typing import Any

from kestra_sync.model import sha256
from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, reply


def lines(repo: Repo) -> list[dict[str, Any]]:
    """The journal."""
    text = (repo.root / "journal.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_journal__has_a_line_before_and_after_each_write(repo: Repo) -> None:
    repo.config()
    before = repo.flow("a", "one")
    repo.flow("b")
    assert repo.apply("--journal", "journal.jsonl").code == 0
    after = repo.flow("a", "two")
    repo.remove("b")
    assert repo.apply("--journal", "journal.jsonl").code == 0
    found = lines(repo)
    assert [each["event"] for each in found].count("begin") == 2  # appended, not replaced
    run = found[-1]["run"]
    second = [each for each in found if each["run"] == run]
    assert [each["event"] for each in second] == [
        "begin",
        "intend",
        "applied",
        "intend",
        "applied",
        "end",
    ]
    _, intend, applied, delete, deleted, _ = second
    assert intend["flow"] == applied["flow"] == str(repo.id("a"))
    assert (intend["action"], delete["action"]) == ("update", "delete")
    assert (intend["before_sha256"], intend["after_sha256"]) == (sha256(before), sha256(after))
    assert applied["revision"] == 2
    assert deleted["after_sha256"] is None
    assert all(each["time"].endswith("Z") for each in found)
    assert "hello" not in (repo.root / "journal.jsonl").read_text()  # hashes, no sources


def test_journal__contains_failures_and_the_rollback(repo: Repo, proxy: FaultProxy) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    repo.apply()
    repo.flow("a", "changed")
    repo.remove("b")
    proxy.add(Rule(reply(422, {}, '{"message": "no"}'), "DELETE", "/b$"))
    assert repo.apply("--rollback", "--journal", "journal.jsonl").code == 1
    found = [(each["event"], each.get("flow", "").rpartition("/")[2]) for each in lines(repo)]
    assert found == [
        ("begin", ""),
        ("intend", "a"),
        ("applied", "a"),
        ("intend", "b"),
        ("failed", "b"),
        ("rolling-back", "a"),
        ("restored", "a"),
        ("end", ""),
    ]
    assert "no" in lines(repo)[4]["message"]


def test_journal__run_without_writes_has_no_line(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.apply()
    assert repo.apply("--journal", "journal.jsonl").code == 0
    assert not (repo.root / "journal.jsonl").exists()


def test_journal__unwritable_file_stops_the_run_before_writes(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    ran = repo.apply("--journal", "no/such/folder/journal.jsonl")
    assert ran.code == 64
    assert "cannot write the journal" in ran.json["error"]["message"]
    assert repo.lives() == {}
