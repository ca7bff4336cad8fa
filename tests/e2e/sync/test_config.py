"""The configuration decides what a run does to a real server."""

from __future__ import annotations

import pytest

from kestra_sync.client.errors import NotFound
from tests.e2e.sync.conftest import Repo


def test_policy__violation_stops_all_writes(repo: Repo) -> None:
    repo.config("policy: {require_labels: [team]}\n")
    repo.flow("labelled", extra="labels: {team: a}\n")
    repo.flow("bare")
    ran = repo.apply()
    assert ran.code == 3
    assert [each["rule"] for each in ran.json["diagnostics"]] == ["policy-required-label"]
    with pytest.raises(NotFound):
        repo.live("labelled")

    repo.flow("bare", extra="# kestra-sync: ignore[policy-required-label]\n")
    assert repo.apply().code == 0
    assert b"ignore[policy-required-label]" in repo.live("bare")


def test_policy__flow_in_sync_is_not_checked(repo: Repo) -> None:
    repo.config()
    repo.flow("old")
    assert repo.apply().code == 0
    repo.config("policy: {require_labels: [team]}\n")
    assert repo.plan().code == 0
    repo.flow("old", "changed")
    assert repo.plan().code == 3


def test_narrower_paths_delete_nothing(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    repo.remove("b")
    repo.flow("a", "changed")
    ran = repo.apply("flows/a.yaml")
    assert ran.code == 0
    assert ran.json["plan"]["partial"] is True
    assert repo.live("b")
    assert repo.plan("flows").reasons() == {"b": "delete removed"}


def test_an_environment_has_its_own_scope_source_and_record(repo: Repo) -> None:
    below = f"{repo.namespace}.prod"
    repo.config(f"environments: {{prod: {{scope: [{below}], source: prod, prune: none}}}}\n")
    repo.flow("dev_only")
    repo.write("prod/one.yaml", repo.source("one", ns=below))
    ran = repo.apply("-e", "prod")
    assert ran.code == 0
    assert ran.json["plan"]["target"]["environment"] == "prod"
    with pytest.raises(NotFound):
        repo.live("dev_only")
    assert repo.client.kv.get(below, f"kestra-sync.{repo.name}.prod")

    (repo.root / "prod/one.yaml").unlink()
    assert repo.plan("-e", "prod").json["plan"]["changes"][0]["action"] == "none"
    # A flag takes precedence over the file.
    ran = repo.plan("-e", "prod", "--prune", "owned", "--allow-large")
    assert ran.reasons() == {"one": "delete removed"}


def test_config__with_errors_sends_no_request(repo: Repo) -> None:
    repo.config("prunne: scope\n")
    repo.flow("a")
    ran = repo.apply()
    assert ran.code == 64
    assert "kestra-sync.yaml:5:1: error[config-unknown-key]" in ran.err
    assert "did you mean 'prune'?" in ran.json["error"]["message"]


def test_ignored_files_are_not_deployed(repo: Repo) -> None:
    repo.config('ignore: ["flows/drafts/"]\n')
    repo.flow("a")
    repo.write("flows/drafts/b.yaml", repo.source("b"))
    assert repo.plan().reasons() == {"a": "create new"}
