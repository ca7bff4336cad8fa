"""An apply writes exactly the reviewed plan, or nothing."""

from __future__ import annotations

import os

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.saved_plan import UPDATES, assert_stale, planned


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
    assert set(repo.lives()) == {"create", *UPDATES, "same"}
    assert_stale(repo, f"{repo.id('create')}: was create (new), now in sync or deleted")
