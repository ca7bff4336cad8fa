"""Drafts (Kestra 2.0): the running revision is not the latest. Kestra 1.x has no drafts."""

from __future__ import annotations

from typing import Any

import pytest

from kestra_sync.client import errors
from tests.e2e.sync.conftest import Repo, RunResult

pytestmark = pytest.mark.versions

DRAFT = "draft: true\n"


def _reported(ran: RunResult) -> list[tuple[Any, ...]]:
    """The findings about drafts."""
    found = [each for each in ran.json["diagnostics"] if each["rule"] == "draft"]
    return [(each["severity"], each.get("line")) for each in found]


def test_draft__on_the_server_is_reported_and_reverted(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    assert repo.apply().code == 0
    draft = repo.source("a", "theirs", extra=DRAFT)
    try:
        repo.edit("a", draft)
    except errors.InvalidContent:
        assert repo.release < (1, 3), "an update takes unknown properties before 2.0, drafts since"
        return
    ran = repo.apply("--rollback")
    assert (ran.code, ran.reasons()) == (0, {"a": "update drift"})
    assert len(_reported(ran)) == (1 if repo.release >= (2, 0) else 0)
    assert repo.live("a") == repo.source("a")


def test_draft__in_git_is_reported(repo: Repo) -> None:
    repo.config()
    repo.flow("a", "runs")
    assert repo.apply().code == 0
    repo.flow("a", "is a draft", extra=DRAFT)
    ran = repo.apply()
    if repo.release < (2, 0):
        assert ran.code == 3
        return
    assert ran.code == 0
    assert _reported(ran) == [("warning", 8)]
    assert repo.live("a") == repo.source("a", "is a draft", extra=DRAFT)
    assert repo.plan().reasons() == {}
    # What the warning says is so.
    executions = repo.client.executions
    for revision, ran_as in ((None, 1), (2, 2)):
        started = executions.create(repo.id("a"), revision=revision)
        (*_, ended) = executions.follow(started.id, timeout=60)
        assert ended.revision == ran_as
