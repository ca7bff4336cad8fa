"""Partial runs: flows that are not selected are neither deleted nor removed from the record."""

from __future__ import annotations

import pytest

from tests.e2e.sync.conftest import Repo


@pytest.mark.parametrize(
    "how",
    [
        ("flows/a.yaml",),
        ("--only", "{namespace}/a"),
        ("--exclude", "{namespace}/[b-z]*"),
    ],
    ids=["path", "only", "exclude"],
)
def test_partial_run__writes_only_its_files(repo: Repo, how: tuple[str, ...]) -> None:
    repo.config("prune: scope\n")
    for name in "abcd":
        repo.flow(name)
    repo.apply()
    repo.client.flows.create(repo.source("foreign"))
    changed = repo.flow("a", "changed")
    repo.flow("b", "changed as well")
    repo.remove("c")
    before, owned = repo.lives(), repo.owned()
    args = [each.format(namespace=repo.namespace) for each in how]
    ran = repo.apply(*args)
    assert (ran.code, ran.reasons()) == (0, {"a": "update changed"})
    assert ran.json["plan"]["partial"] is True
    assert repo.lives() == before | {"a": changed}
    assert {**repo.owned(), "a": ""} == {**owned, "a": ""}
    assert repo.agrees()
    assert "partial" in repo.run("plan", *args).out.lower()
    # The whole run sees the rest again.
    assert repo.plan().reasons() == {
        "b": "update changed",
        "c": "delete removed",
        "foreign": "delete pruned",
    }


def test_partial_run__missing_file_is_not_a_deletion(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.write("flows/team/b.yaml", repo.source("b"))
    repo.write("flows/team/c.yaml", repo.source("c"))
    repo.apply()
    (repo.root / "flows/team/b.yaml").unlink()
    ran = repo.apply("flows/team")
    assert (ran.code, ran.reasons()) == (0, {})
    assert set(repo.lives()) == set(repo.owned()) == {"a", "b", "c"}


def test_killed_run__intent_survives_a_partial_run(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partial run does not look at it, so it cannot say that it did not happen."""
    repo.config()
    for name in "abc":
        repo.flow(name)

    class KilledError(BaseException):
        pass

    def killed(*_args: object, **_more: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("kestra_sync.apply.transaction._recorded", killed)
        with pytest.raises(KilledError):
            repo.apply()
    assert set(repo.lives()) == {"a", "b", "c"}
    assert repo.inventory()["resources"] == []
    repo.flow("a", "changed")
    assert repo.apply("flows/a.yaml").code == 0
    assert set(repo.owned()) == {"a"}
    assert {each["id"] for each in repo.inventory()["intent"]["writes"]} == {"b", "c"}
    repo.remove("b")
    assert repo.apply().code == 0
    assert set(repo.lives()) == set(repo.owned()) == {"a", "c"}
    assert "intent" not in repo.inventory()
