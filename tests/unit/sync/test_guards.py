"""What guards refuse is not written; each limit has a test with the guards."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.repository import Repo, assert_refused
from tests.support.sources import subflow


def _deletions(repo: Repo) -> tuple[str, ...]:
    for index in range(6, 10):
        repo.remove(f"f{index:02}")
    return "4 of 11 owned flows would be deleted (the limit is 30%)", "--allow-large"


def _updates(repo: Repo) -> tuple[str, ...]:
    for index in range(6):
        repo.flow(f"f{index:02}", "changed")
    return "6 of 11 flows would be updated (the limit is 50%)", "--allow-large"


def _empty(repo: Repo) -> tuple[str, ...]:
    for file in (repo.root / "flows").iterdir():
        file.unlink()
    return "11 of 11 owned flows would be deleted", "--allow-large"


def _without_tasks(repo: Repo) -> tuple[str, ...]:
    file = repo.root / "flows/f00.yaml"
    file.write_bytes(file.read_bytes().split(b"tasks:")[0])
    return "1 of 1 deletions", str(repo.id("f00")), "--allow-skipped-delete"


def _ignored(repo: Repo) -> tuple[str, ...]:
    repo.write("flows/.kestraignore", "f00.yaml\n")
    return "1 of 1 deletions", str(repo.id("f00"))


def _symlink(repo: Repo) -> tuple[str, ...]:
    repo.remove("f00")
    (repo.root / "flows/f00.yaml").symlink_to("f01.yaml")
    return "1 of 1 deletions", str(repo.id("f00"))


def _outside(repo: Repo) -> tuple[str, ...]:
    similar = f"{repo.namespace}2"  # starts with the same text, and is another namespace
    repo.flow("inside", ns=f"{repo.namespace}.team")
    repo.flow("outside", ns=similar)
    words = f"1 of 13 flows are outside the scope ({repo.namespace}): {similar}/outside"
    return words, "`scope` in kestra-sync.yaml"


def _protected(repo: Repo) -> tuple[str, ...]:
    secret = f"{repo.namespace}.secret"
    repo.config(f"protect: [{secret}]\n")
    repo.flow("f00", "changed")
    repo.flow("b", ns=f"{secret}.deep")
    return "1 of 2 changes are in a protected namespace", f"{secret}.deep/b"


def _called(repo: Repo) -> tuple[str, ...]:
    repo.remove("f01")
    called, caller = repo.id("f01"), repo.id("caller")
    return f"{called} would be deleted, but is still called by {caller}", "remove the call first"


def _called_by_a_foreign_flow(repo: Repo) -> tuple[str, ...]:
    repo.client.flows.create(subflow(repo.namespace, "foreign", "f02").encode())
    repo.remove("f02")
    called, caller = repo.id("f02"), repo.id("foreign")
    return (f"{called} would be deleted, but is still called by {caller}",)


_CASES: tuple[tuple[str, Callable[[Repo], tuple[str, ...]]], ...] = (
    ("too-many-deletions", _deletions),
    ("too-many-updates", _updates),
    ("empty-repository too-many-deletions", _empty),
    ("skipped-file", _without_tasks),
    ("skipped-file", _ignored),
    ("skipped-file", _symlink),
    ("outside-scope", _outside),
    ("protected-namespace", _protected),
    ("still-called", _called),
    ("still-called", _called_by_a_foreign_flow),
)


def test_guard__refused_plan_writes_nothing(repo: Repo) -> None:
    repo.write("flows/caller.yaml", subflow(repo.namespace, "caller", "f01"))
    repo.config()
    for index in range(10):
        repo.flow(f"f{index:02}")
    assert repo.apply().code == 0
    files = {each: each.read_bytes() for each in (repo.root / "flows").iterdir()}
    for rules, change in _CASES:
        assert_refused(repo, rules, *change(repo))
        for file in (repo.root / "flows").iterdir():
            file.unlink()
        for file, content in files.items():
            file.write_bytes(content)
        repo.config()

    # The plan comes first, then what refused it, and options allow it.
    words = _deletions(repo)
    (repo.root / "flows/caller.yaml").unlink()
    repo.write("flows/f00.yaml", "id: f00\n")
    repo.remove("f02")
    text = repo.run("apply", "--yes")
    assert text.code == 4
    assert text.out.startswith("kestra-sync plan · ")
    assert "Plan: " in text.out
    assert f"- {repo.id('f00')}" in text.out
    for rule in ("too-many-deletions", "skipped-file", "still-called"):
        assert f"refused[{rule}]" in text.err
    assert words[1] in text.err
    repo.client.flows.delete(repo.id("foreign"))
    assert repo.apply("--allow-large").refused() == ["skipped-file"]
    ran = repo.apply("--allow-large", "--allow-skipped-delete")
    assert ran.code == 0
    assert set(repo.lives()) == {"f01", "f03", "f04", "f05"}


def test_empty_repository__is_allowed_by_its_option(repo: Repo) -> None:
    """Flows of a protected namespace that the scope names are deployed and deleted as well."""
    secret = f"{repo.namespace}.secret"
    repo.config(f"protect: [{secret}]\n")
    text = (repo.root / "kestra-sync.yaml").read_text()
    named = text.replace(f"[{repo.namespace}]", f"[{repo.namespace}, {secret}]")
    repo.write("kestra-sync.yaml", named)
    repo.flow("a")
    repo.flow("b", ns=f"{secret}.deep")
    assert repo.apply().code == 0
    assert set(repo.lives()) == {"a", f"{secret}.deep/b"}
    repo.remove("a")
    repo.remove("b")
    assert repo.apply("--allow-large").code == 0
    assert repo.lives() == {}
