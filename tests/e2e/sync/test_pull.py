"""``pull``: the server's sources into the files."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.sync.conftest import Repo


def test_an_edit_on_the_server_becomes_a_change_in_the_files(repo: Repo) -> None:
    repo.config()
    repo.flow("a")
    repo.flow("b")
    assert repo.apply().code == 0
    theirs = repo.source("a", "by hand") + b"# no newline at the end"
    repo.edit("a", theirs)
    dry = repo.run("pull", "--dry-run")
    assert "Would pull 1 flow." in dry.out
    assert Path("flows/a.yaml").read_bytes() == repo.source("a")
    ran = repo.run("pull", "--format", "json")
    assert ran.code == 0
    assert [(each["flow"]["id"], each["result"]) for each in ran.json["flows"]] == [
        ("a", "updated")
    ]
    assert Path("flows/a.yaml").read_bytes() == theirs
    assert repo.plan().reasons() == {"a": "none refreshed"}
    assert "Nothing to pull" in repo.run("pull").out


def test_only_the_flow_s_own_document_of_a_file_is_replaced(repo: Repo) -> None:
    repo.config()
    both = repo.source("a") + b"---\n" + repo.source("b")
    repo.write("flows/both.yaml", both)
    assert repo.apply().code == 0
    theirs = repo.source("a", "by hand").rstrip(b"\n")
    repo.edit("a", theirs)
    assert repo.run("pull").code == 0
    assert Path("flows/both.yaml").read_bytes() == theirs + b"\n---\n" + repo.source("b")


def test_new_turns_a_server_into_a_repository(repo: Repo) -> None:
    repo.config()
    below = f"{repo.namespace}.team"
    repo.client.flows.create(repo.source("x"))
    repo.client.flows.create(repo.source("y", ns=below))
    assert "Nothing to pull" in repo.run("pull").out
    ran = repo.run("pull", "--new")
    assert ran.code == 0
    assert "Pulled 2 flows." in ran.out
    first = Path("flows", *repo.namespace.split("."), "x.yaml")
    assert first.read_bytes() == repo.source("x")
    assert Path("flows", *below.split("."), "y.yaml").read_bytes() == repo.source("y", ns=below)
    assert repo.plan().reasons() == {"x": "none adopt", "y": "none adopt"}


def test_a_file_that_holds_something_else_is_not_overwritten(repo: Repo) -> None:
    repo.config()
    repo.client.flows.create(repo.source("x"))
    path = "/".join(["flows", *repo.namespace.split("."), "x.yaml"])
    repo.write(path, "just: data\n")
    ran = repo.run("pull", "--new")
    assert ran.code == 64
    assert "is there already" in ran.err
    assert Path(path).read_text() == "just: data\n"
