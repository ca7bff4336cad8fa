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


def test_journal__has_a_line_before_and_after_each_write(repo: Repo, proxy: FaultProxy) -> None:
    """Of failures and the rollback, too; none of a run that writes nothing."""
    repo.config()
    before = repo.flow("a", "one")
    repo.flow("b")
    ran = repo.apply("--journal", "no/such/folder/journal.jsonl")
    assert ran.code == 64
    assert "cannot write the journal" in ran.json["error"]["message"]
    assert repo.lives() == {}

    journal = ("--journal", "journal.jsonl")
    assert repo.apply(*journal).code == 0
    first = lines(repo)
    assert repo.apply(*journal).code == 0
    assert lines(repo) == first

    after = repo.flow("a", "two")
    repo.remove("b")
    proxy.add(Rule(reply(422, {}, '{"message": "no"}'), "DELETE", "/b$"))
    assert repo.apply("--rollback", *journal).code == 1
    assert repo.apply(*journal).code == 0
    found = lines(repo)
    assert found[: len(first)] == first  # appended, not replaced
    assert [(each["event"], each.get("flow", "").rpartition("/")[2]) for each in found[6:]] == [
        ("begin", ""),
        ("intend", "a"),
        ("applied", "a"),
        ("intend", "b"),
        ("failed", "b"),
        ("rolling-back", "a"),
        ("restored", "a"),
        ("end", ""),
        ("begin", ""),
        ("intend", "a"),
        ("applied", "a"),
        ("intend", "b"),
        ("applied", "b"),
        ("end", ""),
    ]
    assert "no" in found[10]["message"]
    _, intend, applied, delete, deleted, _ = found[-6:]
    assert intend["flow"] == applied["flow"] == str(repo.id("a"))
    assert (intend["action"], delete["action"]) == ("update", "delete")
    assert (intend["before_sha256"], intend["after_sha256"]) == (sha256(before), sha256(after))
    assert applied["revision"] == repo.revision("a")
    assert deleted["after_sha256"] is None
    assert all(each["time"].endswith("Z") for each in found)
    assert "hello" not in (repo.root / "journal.jsonl").read_text()  # hashes, no sources
