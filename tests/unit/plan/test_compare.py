"""Every row of the three-way table, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kestra_sync.model import Action, Base, Desired, FlowId, Live, Reason
from kestra_sync.plan.compare import (
    Decision,
    Rules,
    build_changes,
    compare,
    needs_reading,
    only_desired,
)
from kestra_sync.settings import OnDrift
from tests.support.plans import base, desired, live, source

_ID = FlowId("acme", "a")
GIT, APPLIED, EDITED = (source("a", each) for each in ("git", "applied", "edited"))
_OFF = b"disabled: true\n"
_PRUNE = Rules(prune_owned=True)
_SCOPE = Rules(prune_owned=True, prune_all=True)
_UNTRACKED = Rules(tracked=False)


def _git(data: bytes | None) -> Desired | None:
    return None if data is None else desired(data, _ID, "flows/a.yaml")


def _live(data: bytes | None) -> Live | None:
    return None if data is None else live(data, _ID)


def _base(data: bytes | None, **more: object) -> Base | None:
    return None if data is None else replace(base(data), **more)  # type: ignore[arg-type]


#: Name → Git, server, base, rules, action, reason, what is sent.
_ROWS: dict[
    str, tuple[bytes | None, bytes | None, bytes | None, Rules, Action, Reason, bytes | None]
] = {
    "in sync": (GIT, GIT, GIT, Rules(), Action.NONE, Reason.IN_SYNC, GIT),
    "both the same, record old": (
        GIT,
        GIT,
        APPLIED,
        Rules(),
        Action.NONE,
        Reason.REFRESHED,
        GIT,
    ),
    "adopt": (GIT, GIT, None, Rules(), Action.NONE, Reason.ADOPT, GIT),
    "no inventory, equal": (GIT, GIT, None, _UNTRACKED, Action.NONE, Reason.IN_SYNC, GIT),
    "update": (GIT, APPLIED, APPLIED, Rules(), Action.UPDATE, Reason.CHANGED, GIT),
    "drift": (GIT, EDITED, GIT, Rules(), Action.UPDATE, Reason.DRIFT, GIT),
    "drift, fail": (
        GIT,
        EDITED,
        GIT,
        Rules(on_drift=OnDrift.FAIL),
        Action.UPDATE,
        Reason.DRIFT,
        GIT,
    ),
    "drift, keep": (
        GIT,
        EDITED,
        GIT,
        Rules(on_drift=OnDrift.KEEP),
        Action.NONE,
        Reason.DRIFT_KEPT,
        EDITED,
    ),
    "conflict": (GIT, EDITED, APPLIED, Rules(), Action.UPDATE, Reason.CONFLICT, GIT),
    "conflict, keep": (
        GIT,
        EDITED,
        APPLIED,
        Rules(on_drift=OnDrift.KEEP),
        Action.NONE,
        Reason.DRIFT_KEPT,
        EDITED,
    ),
    "take over": (GIT, EDITED, None, Rules(), Action.UPDATE, Reason.TAKE_OVER, GIT),
    "no inventory, different": (
        GIT,
        EDITED,
        None,
        _UNTRACKED,
        Action.UPDATE,
        Reason.CHANGED,
        GIT,
    ),
    "deleted by hand": (GIT, None, APPLIED, Rules(), Action.CREATE, Reason.RECREATED, GIT),
    "create": (GIT, None, None, Rules(), Action.CREATE, Reason.NEW, GIT),
    "delete": (None, APPLIED, APPLIED, _PRUNE, Action.DELETE, Reason.REMOVED, None),
    "delete, prune none": (
        None,
        APPLIED,
        APPLIED,
        Rules(),
        Action.NONE,
        Reason.UNTOUCHED,
        APPLIED,
    ),
    "delete what was edited": (
        None,
        EDITED,
        APPLIED,
        _PRUNE,
        Action.DELETE,
        Reason.CONFLICT,
        None,
    ),
    "delete what was edited, keep": (
        None,
        EDITED,
        APPLIED,
        replace(_PRUNE, on_drift=OnDrift.KEEP),
        Action.NONE,
        Reason.DRIFT_KEPT,
        EDITED,
    ),
    "delete what was edited, overwrite": (
        None,
        EDITED,
        APPLIED,
        replace(_PRUNE, on_drift=OnDrift.OVERWRITE),
        Action.DELETE,
        Reason.REMOVED,
        None,
    ),
    "gone on both sides": (None, None, APPLIED, _PRUNE, Action.NONE, Reason.DROPPED, None),
    "foreign": (None, EDITED, None, _PRUNE, Action.NONE, Reason.FOREIGN, EDITED),
    "foreign, prune scope": (None, EDITED, None, _SCOPE, Action.DELETE, Reason.PRUNED, None),
    "switched off": (GIT, GIT + _OFF, GIT, Rules(), Action.NONE, Reason.KEPT_OFF, GIT + _OFF),
    "switched off, not ours": (
        GIT,
        GIT + _OFF,
        None,
        Rules(),
        Action.NONE,
        Reason.KEPT_OFF,
        GIT + _OFF,
    ),
    "switched off, re-enable": (
        GIT,
        GIT + _OFF,
        GIT,
        Rules(re_enable=True),
        Action.UPDATE,
        Reason.RE_ENABLED,
        GIT,
    ),
    "switched off, Git says false": (
        GIT + b"disabled: false\n",
        GIT + _OFF,
        GIT + b"disabled: false\n",
        Rules(),
        Action.UPDATE,
        Reason.DRIFT,
        GIT + b"disabled: false\n",
    ),
}


@pytest.mark.parametrize("row", _ROWS)
def test_the_table(row: str) -> None:
    """What to do, why, and which bytes."""
    git, server, applied, rules, action, reason, after = _ROWS[row]
    verdict = compare(_git(git), _live(server), _base(applied), rules)
    assert verdict == Decision(action, reason, after)


def test_the_table_is_whole() -> None:
    """Each reason of the comparison has a row; the others come later (moves, keep, rollback)."""
    elsewhere = {Reason.MOVED, Reason.PROTECTED, Reason.UNDONE}
    assert {row[5] for row in _ROWS.values()} == set(Reason) - elsewhere


def test_disabled__stays_disabled_while_git_changes() -> None:
    """The new source is sent with the line, if nothing else was edited on the server."""
    text = APPLIED
    live_ = _live(APPLIED + _OFF)
    there = compare(_git(GIT), live_, _base(APPLIED), Rules(), text)
    assert there == Decision(Action.UPDATE, Reason.KEPT_OFF, GIT + _OFF)
    # Kept off already by an earlier run: the recorded hash is that of the source with the line.
    recorded = _base(APPLIED + _OFF, kept_off=True)
    assert compare(_git(GIT), live_, recorded, Rules()) == there
    # Switched on again, on purpose or by Git.
    on = compare(_git(GIT), live_, _base(APPLIED), Rules(re_enable=True), text)
    assert on == Decision(Action.UPDATE, Reason.CHANGED, GIT)
    says = GIT + b"disabled: false\n"
    verdict = compare(_git(says), live_, _base(APPLIED), Rules(), text)
    assert verdict == Decision(Action.UPDATE, Reason.CHANGED, says)


def test_delete__flow_that_was_only_disabled_may_be_deleted() -> None:
    """It is not a conflict if the text that we applied is known."""
    live_ = _live(APPLIED + _OFF)
    assert compare(None, live_, _base(APPLIED), _PRUNE, APPLIED).reason is Reason.REMOVED
    assert compare(None, live_, _base(APPLIED), _PRUNE).reason is Reason.CONFLICT
    assert compare(None, live_, _base(APPLIED), _PRUNE, EDITED).reason is Reason.CONFLICT


def test_intent__unwritten_flow_is_not_recreated() -> None:
    """A run that was killed meant to create it: it is still new, or ours if it is there."""
    meant = _base(GIT, only_intended=True)
    assert compare(_git(GIT), None, meant, Rules()).reason is Reason.NEW
    assert compare(_git(GIT), _live(GIT), meant, Rules()).reason is Reason.REFRESHED


def test_a_record_of_another_file_is_refreshed() -> None:
    """The flow moved to another file."""
    there = _base(GIT, path="flows/other.yaml")
    assert compare(_git(GIT), _live(GIT), there, Rules()).reason is Reason.REFRESHED


def test_killed_run__both_hashes_count_as_ours() -> None:
    """The one that was there, and the one that was about to be."""
    both = frozenset({live(APPLIED, _ID).sha256, live(EDITED, _ID).sha256})
    for there in (APPLIED, EDITED):
        verdict = compare(_git(GIT), _live(there), _base(APPLIED, live_hashes=both), Rules())
        assert verdict.reason is Reason.CHANGED


def test_diff__conflict_contains_all_sides() -> None:
    """Sorted by flow, with the path that is known, and what we applied where it was edited."""
    ids = {name: FlowId("acme", name) for name in "abcd"}
    made = build_changes(
        {ids["b"]: desired(GIT, ids["b"]), ids["a"]: desired(GIT, ids["a"])},
        {ids["a"]: live(EDITED, ids["a"], 7), ids["c"]: live(APPLIED, ids["c"], 2)},
        {ids["a"]: base(APPLIED), ids["c"]: base(APPLIED, "flows/c.yaml"), ids["d"]: base(GIT)},
        _PRUNE,
        {ids["a"]: APPLIED, ids["c"]: APPLIED},
    )
    assert [(str(each.flow_id), each.reason, each.path, each.revision) for each in made] == [
        ("acme/a", Reason.CONFLICT, "flows/a.yaml", 7),
        ("acme/b", Reason.NEW, "flows/b.yaml", None),
        ("acme/c", Reason.REMOVED, "flows/c.yaml", 2),
        ("acme/d", Reason.DROPPED, "flows/a.yaml", None),
    ]
    assert [each.base for each in made] == [APPLIED, None, None, None]
    assert [each.applied for each in made] == [APPLIED, GIT, None, None]
    assert needs_reading(made) == (ids["a"], ids["c"])
    assert [each.flow_id.id for each in only_desired(made)] == ["a", "b"]


def test_foreign_flows_have_no_path() -> None:
    """And are not read again."""
    (made,) = build_changes({}, {_ID: live(EDITED, _ID)}, {}, _PRUNE)
    assert (made.reason, made.path, made.before) == (Reason.FOREIGN, None, EDITED)
    assert needs_reading((made,)) == ()
