"""``doctor`` before everything is set up."""

from __future__ import annotations

import pytest

from tests.support.repository import Repo


def test_doctor__reports_what_is_missing(repo: Repo) -> None:
    """A flow that is broken at its first line does not show that it is one."""
    repo.write("flows/broken.yaml", "id: [\n")
    ran = repo.run("doctor")
    assert ran.code == 64
    assert "no flows found in flows" in ran.out
    assert "not read as flows: flows/broken.yaml" in ran.out
    repo.flow("a")
    ran = repo.run("doctor")
    assert ran.code == 0
    assert "not read as flows: flows/broken.yaml" in ran.out
    repo.write("flows/broken.yaml", "id: a\nnamespace: acme\ntasks: [\n")
    ran = repo.run("doctor", "--format", "json")
    assert ran.code == 3
    assert "see 'kestra-sync validate --offline'" in ran.out
    health = {each["question"]: each["health"] for each in ran.json["checkups"]}
    assert health["files"] == "failed"
    assert health["inventory"] == "warning"
    assert health["lock"] == health["writing"] == "skipped"
    assert health["executions"] == "ok"


def test_doctor__unreachable_server_skips_further_checks(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    repo.flow("a")
    ran = repo.run("doctor", "--url", "http://127.0.0.1:9", "--format", "json")
    assert ran.code == 69
    health = {each["question"]: each["health"] for each in ran.json["checkups"]}
    assert health["server"] == "failed"
    assert health["credentials"] == health["inventory"] == "skipped"
