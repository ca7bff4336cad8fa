"""Partial runs: flows that are not selected are neither deleted nor removed from the record."""

from __future__ import annotations

from tests.support.repository import Repo


def test_partial_run__writes_only_its_files(repo: Repo) -> None:
    """By a path, ``--only`` or ``--exclude``: other files, also missing ones, do not count."""
    repo.config("prune: scope\n")
    for name in "abcd":
        repo.flow(name)
    for name in ("e", "f"):
        repo.write(f"flows/team/{name}.yaml", repo.source(name))
    assert repo.apply().code == 0
    repo.client.flows.create(repo.source("foreign"))
    repo.flow("b", "changed as well")
    repo.remove("c")
    (repo.root / "flows/team/e.yaml").unlink()
    here = repo.namespace
    selections = (
        ("flows/a.yaml",), ("--only", f"{here}/a"), ("--exclude", f"{here}/[b-z]*"),
    )  # fmt: skip
    for args in selections:
        changed = repo.flow("a", f"changed for {args[0]}")
        before, owned = repo.lives(), repo.owned()
        ran = repo.apply(*args)
        assert (ran.code, ran.reasons()) == (0, {"a": "update changed"})
        assert ran.json["plan"]["partial"] is True
        assert repo.lives() == before | {"a": changed}
        assert {**repo.owned(), "a": ""} == {**owned, "a": ""}
        assert repo.agrees()
    ran = repo.run("apply", "--yes", "flows/team")
    assert (ran.code, "partial" in ran.out.lower()) == (0, True)
    assert set(repo.lives()) == {*"abcdef", "foreign"}
    # The whole run sees the rest again.
    assert repo.plan().reasons() == {
        "b": "update changed",
        "c": "delete removed",
        "e": "delete removed",
        "foreign": "delete pruned",
    }
