"""The configuration decides what a run does to a real server."""

from __future__ import annotations

from tests.e2e.sync.conftest import Repo


def test_policy__violation_stops_all_writes(repo: Repo) -> None:
    """Of a flow that changes; then of narrower paths, which delete nothing."""
    repo.config()
    repo.flow("old")
    repo.flow("other")
    assert repo.apply().code == 0
    repo.config("policy: {require_labels: [team]}\n")
    repo.flow("labelled", extra="labels: {team: a}\n")
    repo.flow("bare")
    before = repo.lives()
    ran = repo.apply()
    assert ran.code == 3
    found = [(each["rule"], each["path"]) for each in ran.json["diagnostics"]]
    assert found == [("policy-required-label", "flows/bare.yaml")]
    assert repo.lives() == before

    repo.flow("bare", extra="# kestra-sync: ignore[policy-required-label]\n")
    repo.remove("other")
    ran = repo.apply("flows/bare.yaml")
    assert ran.code == 0
    assert ran.json["plan"]["partial"] is True
    assert set(repo.lives()) == {"old", "other", "bare"}
    assert b"ignore[policy-required-label]" in repo.live("bare")
    assert repo.plan("flows").reasons() == {"labelled": "create new", "other": "delete removed"}
