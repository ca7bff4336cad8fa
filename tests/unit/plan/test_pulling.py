"""The three-way table of ``pull``: one row for each case."""

from __future__ import annotations

import pytest

from kestra_sync.model import Base, Desired, Document, Flow, FlowId, Live, sha256
from kestra_sync.plan.compare import Rules, build_changes
from kestra_sync.plan.pulling import pull_decision

ID = FlowId("acme", "a")
OLD, GIT, SERVER = (f"id: a\nnamespace: acme\ntasks: [{n}]\n".encode() for n in (1, 2, 3))
OFF = b"disabled: true\n"


def judged(
    desired: bytes | None, live: bytes | None, base: bytes | None, *, new: bool = False,
    kept_off: bool = False, only_intended: bool = False,
) -> str | None:  # fmt: skip
    wanted = (
        {}
        if desired is None
        else {ID: Desired(Flow(ID, Document("flows/a.yaml", 0, 1, desired)), desired)}
    )
    there = {} if live is None else {ID: Live(ID, live, 1)}
    file = base.removesuffix(OFF) if base is not None and kept_off else base
    bases = (
        {}
        if base is None or file is None
        else {
            ID: Base(
                "flows/a.yaml", sha256(file), frozenset({sha256(base)}), 1, kept_off, only_intended
            )
        }
    )
    sources = {ID: base} if base is not None else {}
    (change,) = build_changes(wanted, there, bases, Rules(), sources)
    verdict = pull_decision(change, bases.get(ID), new=new)
    return None if verdict is None else str(verdict.pulled)


@pytest.mark.parametrize(
    ("desired", "live", "base", "expected"),
    [
        (OLD, OLD, OLD, None),
        (SERVER, SERVER, OLD, None),
        (GIT, OLD, OLD, "left"),
        (OLD, SERVER, OLD, "updated"),
        (GIT, SERVER, OLD, "conflict"),
        (GIT, SERVER, None, "conflict"),
        (OLD, OLD + OFF, OLD, "updated"),
        (GIT, OLD + OFF, OLD, "left"),
        (GIT, GIT + OFF, OLD, "updated"),
        (GIT, None, None, "left"),
        (OLD, None, OLD, "left"),
        (None, OLD, OLD, "left"),
        (None, SERVER, OLD, "conflict"),
        (None, SERVER, None, None),
        (None, None, OLD, None),
    ],
)
def test_the_table(
    desired: bytes | None, live: bytes | None, base: bytes | None, expected: str | None
) -> None:
    assert judged(desired, live, base) == expected


def test_pull__new_flows_are_optional() -> None:
    assert judged(None, SERVER, None, new=True) == "created"
    assert judged(None, OLD, OLD, new=True) == "left"  # deleted in Git
    assert judged(None, SERVER, OLD, new=True) == "conflict"


def test_pulling__flow_kept_disabled_is_an_edit() -> None:
    assert judged(OLD, OLD + OFF, OLD + OFF, kept_off=True) == "updated"
    assert judged(GIT, OLD + OFF, OLD + OFF, kept_off=True) == "left"


def test_disabled_flow__enabled_in_git_is_kept() -> None:
    assert judged(OLD, OLD + OFF, OLD + OFF) == "left"


def test_killed_run__intended_write_is_not_a_base() -> None:
    assert judged(GIT, SERVER, OLD, only_intended=True) == "conflict"
