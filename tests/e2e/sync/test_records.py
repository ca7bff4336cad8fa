"""``drift`` and ``apply --refresh-only`` on a real server."""

from __future__ import annotations

from tests.e2e.sync.conftest import Repo


def test_drift__shows_only_changes_by_others(repo: Repo) -> None:
    assert repo.run("drift").code == 64  # without a name there is no record
    repo.config()
    for name in ("edited", "deleted", "changed_in_git", "same"):
        repo.flow(name)
    switched = repo.flow("switched")
    repo.flow("both", "base")
    assert repo.apply().code == 0
    assert repo.run("drift").code == 0
    repo.edit("edited", repo.source("edited", "by hand"))
    repo.client.flows.delete(repo.id("deleted"))
    repo.edit("switched", switched + b"\ndisabled: true")
    repo.flow("changed_in_git", "new")
    repo.edit("both", repo.source("both", "theirs"))
    repo.flow("both", "ours")
    repo.client.flows.create(repo.source("foreign"))

    ran = repo.run("drift")
    assert ran.code == 2
    for words in (
        f"! {repo.namespace}/deleted",
        "deleted on the server",
        "disabled on the server",
        *('-     message: "hello"', '+     message: "by hand"'),
        *('-     message: "base"', '+     message: "theirs"'),
        "Drift: 3 flows changed on the server since the last apply.",
    ):
        assert words in ran.out
    for words in ("changed_in_git", "foreign", "ours"):
        assert words not in ran.out

    document = repo.run("drift", "--format", "json").json
    assert document["exit_code"] == 2
    found = [each["flow"]["id"] for each in document["drifted"]]
    assert found == ["both", "deleted", "edited"]
    assert [each["id"] for each in document["kept_off"]] == ["switched"]
    assert document["drifted"][1]["deleted"] is True

    # A disabled flow is listed and not drift, also once an apply has recorded it.
    assert repo.apply("--on-drift", "overwrite").code == 0
    ran = repo.run("drift")
    assert ran.code == 0
    assert "1 flow disabled on the server and kept disabled:" in ran.out
    # What else was done to it is drift.
    repo.edit("switched", repo.source("switched", "by hand") + b"\ndisabled: true")
    assert repo.run("drift").code == 2


def test_refresh_only_records_and_writes_no_flow(repo: Repo) -> None:
    repo.config()
    repo.client.flows.create(repo.flow("a"))
    repo.client.flows.create(repo.source("b", "theirs"))
    repo.flow("b", "ours")
    assert repo.run("apply", "--refresh-only").code == 0
    assert repo.live("b") == repo.source("b", "theirs")
    assert [each["id"] for each in repo.inventory()["resources"]] == ["a"]
    assert repo.plan().reasons() == {"b": "update take-over"}
