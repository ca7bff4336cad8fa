"""A run without flows is an error; ``apply --dry-run`` is a plan."""

from __future__ import annotations

from tests.support.repository import Repo


def test_no_flows__is_refused_unless_allowed(repo: Repo) -> None:
    repo.config()
    for command in (["plan"], ["apply", "--yes"]):
        ran = repo.run(*command)
        assert ran.code == 64, command
        assert "no flows found in flows" in ran.err
    assert repo.run("apply", "--yes", "--allow-empty").code == 0
    repo.flow("a")
    repo.flow("b")
    dry = repo.run("apply", "--dry-run", "--format", "json")
    assert dry.code == 0
    assert dry.json["command"] == "plan"
    assert dry.reasons() == {"a": "create new", "b": "create new"}
    assert repo.lives() == {}
    assert repo.apply().code == 0
    # With a record that lists flows it is the guard which speaks.
    repo.remove("a")
    repo.remove("b")
    assert "empty-repository" in repo.plan("--allow-empty").refused()
    assert repo.apply("--allow-large").code == 0
    assert repo.lives() == {}
    assert repo.run("plan").code == 64
