"""``rollback --to RUN`` on a real server: flows and files from their revisions."""

from __future__ import annotations

import pytest

from tests.e2e.sync.conftest import Repo, RunResult


def rollback(repo: Repo, *args: str) -> RunResult:
    """As in a pipeline."""
    return repo.run("rollback", "--yes", "--allow-large", "--format", "json", *args)


@pytest.mark.versions
def test_rollback__restores_flows_and_files(repo: Repo) -> None:
    repo.config(f"files: [{{path: files, namespace: {repo.namespace}}}]\nkv: [kv.yaml]\n")
    repo.flow("kept", "one")
    repo.flow("gone", "one")
    repo.write("files/query.sql", "select 1\n")
    repo.write("files/old/name.sql", "select 4\n")
    repo.write("kv.yaml", f"namespace: {repo.namespace}\nvalues: {{region: emea}}\n")
    ran = repo.apply()
    assert ran.code == 0, ran.out + ran.err
    first = repo.inventory()["history"][-1]["generation"]
    held = repo.lives()

    repo.flow("kept", "two")
    repo.remove("gone")
    repo.flow("new", "two")
    repo.write("files/query.sql", "select 2\n")
    repo.write("files/new.sql", "select 3\n")
    (repo.root / "files/old/name.sql").rename(repo.root / "files/name.sql")
    ran = repo.apply("--allow-large")
    assert ran.code == 0, ran.out + ran.err

    ran = rollback(repo, "--to", str(first))
    assert ran.code == 0, ran.out + ran.err
    assert repo.lives() == held
    files = {"query.sql": b"select 1\n", "old/name.sql": b"select 4\n"}
    assert repo.client.files.export(repo.namespace) == files  # of the moved one, by its new name

    # Git is ahead, so its next apply deploys it again. A key has no earlier values: said before a
    # rollback, and the rest on request.
    repo.write("kv.yaml", f"namespace: {repo.namespace}\nvalues: {{region: apac}}\n")
    ran = repo.apply("--allow-large")
    assert ran.code == 0, ran.out + ran.err
    assert ran.reasons()["kept"] == "update changed"
    assert repo.live("new") == repo.source("new", "two")
    ran = rollback(repo)
    assert (ran.code, ran.refused()) == (4, ["not-restorable"]), ran.out + ran.err
    assert ran.json["diagnostics"][0]["message"].endswith("does not keep earlier values of keys")
    assert repo.live("kept") == repo.source("kept", "two")
    ran = rollback(repo, "--partial")
    assert ran.code == 0, ran.out + ran.err
    assert repo.lives() == held
    assert repo.client.files.export(repo.namespace) == files
    assert repo.client.kv.get(repo.namespace, "region") == "apac"
