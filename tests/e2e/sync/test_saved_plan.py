"""An apply writes exactly the reviewed plan, or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from kestra_sync.plan.saved import digest_of
from tests.e2e.sync.conftest import Repo, RunResult
from tests.support.proxy import FaultProxy


def planned(repo: Repo) -> Any:
    """A repository with a creation, an update and a deletion planned, and the plan saved."""
    repo.config()
    for name in ("update", "delete", "same"):
        repo.flow(name)
    assert repo.apply().code == 0
    repo.flow("create", "s3cr3t-message")
    repo.flow("update", "s3cr3t-message")
    repo.remove("delete")
    assert repo.plan("--out", "plan.json").code == 0
    return json.loads((repo.root / "plan.json").read_text())


def assert_stale(repo: Repo, *words: str) -> RunResult:
    before = repo.lives()
    ran = repo.apply("--plan", "plan.json")
    assert ran.code == 5
    for each in words:
        assert each in ran.json["error"]["message"]
    assert repo.lives() == before
    return ran


def test_saved_plan__is_applied(repo: Repo) -> None:
    document = planned(repo)
    ran = repo.run("apply", "--format", "json", "--plan", "plan.json")  # reviewed: no --yes needed
    assert ran.code == 0
    assert ran.json["digest"] == document["digest"]
    assert set(repo.lives()) == {"create", "update", "same"}
    assert_stale(repo, f"{repo.id('create')}: was create (new), now in sync or deleted")


def test_saved_plan__contains_neither_sources_nor_secrets(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_MINE", "s3cr3t-message")
    planned(repo)
    text = (repo.root / "plan.json").read_text()
    assert "s3cr3t-message" not in text
    assert "a comment that must survive" not in text
    assert "io.kestra.plugin" not in text
    for name in ("KESTRA_PASSWORD", "KESTRA_TOKEN"):
        if os.environ.get(name):
            assert os.environ[name] not in text


def _file(repo: Repo) -> str:
    repo.flow("update", "another")
    return f"{repo.id('update')}: the file flows/update.yaml changed"


def _live(repo: Repo) -> str:
    repo.edit("update", repo.source("update", "by hand"))
    return f"{repo.id('update')}: the server's source changed (revision 1 then, 2 now)"


def _same_source_again(repo: Repo) -> str:
    repo.edit("update", repo.source("update", "by hand"))
    repo.edit("update", repo.source("update"))
    return f"{repo.id('update')}: the server's source changed (revision 1 then, 3 now)"


def _created(repo: Repo) -> str:
    repo.client.flows.create(repo.source("create"))
    return f"{repo.id('create')}: the server's source changed (revision None then, 1 now)"


def _more(repo: Repo) -> str:
    repo.flow("more", "and more")
    return f"{repo.id('more')}: was not in the plan, now create (new)"


@pytest.mark.parametrize("move", [_file, _live, _same_source_again, _created, _more])
def test_saved_plan__differences_are_listed(repo: Repo, move: Callable[[Repo], str]) -> None:
    planned(repo)
    words = move(repo)
    ran = repo.apply("--plan", "plan.json", "--on-drift", "overwrite")
    assert ran.code == 5
    assert words in ran.json["error"]["message"]
    assert "outcomes" not in ran.json
    assert "delete" in repo.lives()


def test_saved_plan__another_target_is_refused(repo: Repo, proxy: FaultProxy) -> None:
    planned(repo)
    ran = repo.apply("--plan", "plan.json", "--url", repo.client.url)
    assert ran.code == 5
    assert "target was" in ran.json["error"]["message"]
    assert repo.client.url in ran.json["error"]["message"]


def test_saved_plan__tampered_is_refused(repo: Repo) -> None:
    document = planned(repo)
    changes = document["plan"]["changes"]
    document["plan"]["changes"] = [each for each in changes if each["action"] != "delete"]
    repo.write("plan.json", json.dumps(document))
    assert_stale(repo, "was changed after it was saved")
    # Even with a digest of its own it is not the plan that the files and the server make.
    document["digest"] = digest_of(document["plan"])
    repo.write("plan.json", json.dumps(document))
    assert_stale(repo, f"{repo.id('delete')}: was not in the plan, now delete (removed)")


def test_another_version_of_the_format_is_refused(repo: Repo) -> None:
    document = planned(repo)
    repo.write("plan.json", json.dumps({**document, "format_version": "9.1"}))
    assert_stale(repo, "format version 9.1", "supports 1.")


@pytest.mark.parametrize("text", ["", "[]", '{"plan": 1}', "no json"])
def test_saved_plan__invalid_file_is_a_usage_error(repo: Repo, text: str) -> None:
    repo.config()
    repo.write("plan.json", text)
    ran = repo.apply("--plan", "plan.json")
    assert ran.code == 64
    assert "is not a saved plan" in ran.json["error"]["message"]
    assert repo.apply("--plan", "nowhere.json").code == 64


def test_a_digest_is_expected(repo: Repo) -> None:
    document = planned(repo)
    assert repo.apply("--expect-digest", "sha256:" + "0" * 64).code == 5
    assert "create" not in repo.lives()
    assert repo.apply("--expect-digest", document["digest"]).code == 0
    assert "create" in repo.lives()


def test_a_plan_that_a_guard_refuses_is_not_saved(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.apply()
    repo.remove("a")
    ran = repo.plan("--out", "plan.json")
    assert ran.code == 4
    assert "not saved to plan.json" in ran.err
    assert not (repo.root / "plan.json").exists()
