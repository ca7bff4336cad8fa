"""An apply writes exactly the reviewed plan, or nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.e2e.sync.conftest import Repo, RunResult

_UPDATES = ("update", "edited", "edited_twice")


def planned(repo: Repo) -> Any:
    """A repository with a creation, updates and a deletion planned, and the plan saved."""
    repo.config()
    for name in (*_UPDATES, "delete", "same"):
        repo.flow(name)
    assert repo.apply().code == 0
    for name in ("create", *_UPDATES):
        repo.flow(name, "s3cr3t-message")
    repo.remove("delete")
    assert repo.plan("--out", "plan.json").code == 0
    return json.loads((repo.root / "plan.json").read_text())


def assert_stale(repo: Repo, *words: str, options: tuple[str, ...] = ()) -> RunResult:
    before = repo.lives()
    ran = repo.apply("--plan", "plan.json", *options)
    assert ran.code == 5
    for each in words:
        assert each in ran.json["error"]["message"]
    assert "outcomes" not in ran.json
    assert repo.lives() == before
    return ran


def test_saved_plan__contains_neither_sources_nor_secrets(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is applied, once; a digest can be expected as well."""
    monkeypatch.setenv("SECRET_MINE", "s3cr3t-message")
    document = planned(repo)
    text = (repo.root / "plan.json").read_text()
    assert "s3cr3t-message" not in text
    assert "a comment that must survive" not in text
    assert "io.kestra.plugin" not in text
    for name in ("KESTRA_PASSWORD", "KESTRA_TOKEN"):
        if os.environ.get(name):
            assert os.environ[name] not in text
    assert repo.apply("--expect-digest", "sha256:" + "0" * 64).code == 5
    assert "create" not in repo.lives()
    args = ("--plan", "plan.json", "--expect-digest", document["digest"])
    ran = repo.run("apply", "--format", "json", *args)  # reviewed: no --yes needed
    assert ran.code == 0
    assert ran.json["digest"] == document["digest"]
    assert set(repo.lives()) == {"create", *_UPDATES, "same"}
    assert_stale(repo, f"{repo.id('create')}: was create (new), now in sync or deleted")
