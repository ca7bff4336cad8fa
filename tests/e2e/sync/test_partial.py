"""Partial runs: flows that are not selected are neither deleted nor removed from the record."""

from __future__ import annotations

import pytest

from tests.e2e.sync.conftest import Repo


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
