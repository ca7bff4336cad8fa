"""A saved plan of every action, for tests of its use."""

from __future__ import annotations

import json
from typing import Any

from tests.support.repository import Repo

UPDATES = ("update", "edited", "edited_twice")
"""The flows that the saved plan updates."""


def planned(repo: Repo) -> Any:
    """A repository with a creation, updates and a deletion planned, and the plan saved."""
    repo.config()
    for name in (*UPDATES, "delete", "same"):
        repo.flow(name)
    assert repo.apply().code == 0
    for name in ("create", *UPDATES):
        repo.flow(name, "s3cr3t-message")
    repo.remove("delete")
    assert repo.plan("--out", "plan.json").code == 0
    return json.loads((repo.root / "plan.json").read_text())


def assert_stale(repo: Repo, *words: str, options: tuple[str, ...] = ()) -> None:
    """Applying the saved plan is refused, with these words, and changes nothing."""
    before = repo.lives()
    ran = repo.apply("--plan", "plan.json", *options)
    assert ran.code == 5
    for each in words:
        assert each in ran.json["error"]["message"]
    assert "outcomes" not in ran.json
    assert repo.lives() == before
