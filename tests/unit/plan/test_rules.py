"""Small rules: disabled flows, keep comments, selections, limits and guards."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.errors import ExitCode
from kestra_sync.model import Action, Change, FlowId, Plan, Reason
from kestra_sync.plan.compare import (
    disabled_in,
    keeps,
    says_disabled,
    switch_off,
    switched_off,
    without_kept,
)
from kestra_sync.plan.guards import check_guards
from kestra_sync.plan.refusals import GuardInput, Refusal
from kestra_sync.resources import selected
from kestra_sync.settings import Limit, OnDrift, Prune, Settings
from tests.support.plans import change, plan

_LINES = st.lists(
    st.sampled_from(
        [
            "id: a",
            "tasks:",
            "  - id: t",
            "    disabled: true",
            "    text: |",
            "",
            "# disabled: true",
        ]
    ),
    min_size=1,
    max_size=12,
).filter(lambda lines: any(line.strip() for line in lines))


@given(_LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_disabled_flow__is_recognized(lines: list[str], ending: str, newline: bool) -> None:
    """As our line, and as Kestra's UI appends it."""
    ours = (ending.join(lines) + (ending if newline else "")).encode()
    assert not switched_off(ours, ours)
    for live in (switch_off(ours), ours + b"\ndisabled: true", ours.rstrip() + b"\ndisabled: true"):
        assert disabled_in(live) is True
        assert switched_off(live, ours)
        assert not switched_off(ours, live)


@given(_LINES, st.data())
def test_stamp__edit_next_to_it_is_detected(lines: list[str], data: st.DataObject) -> None:
    """Any other line that changes is an edit, wherever the line was put."""
    ours = "\n".join(lines).strip("\n") + "\n"
    rows = ours.split("\n")[:-1]
    at = data.draw(st.integers(0, len(rows)))
    live = [*rows[:at], "disabled: true", *rows[at:]]
    assert switched_off(("\n".join(live) + "\n").encode(), ours.encode())
    edited = [*live]
    where = data.draw(st.sampled_from([n for n, row in enumerate(live) if row.strip()]))
    if live[where] == "disabled: true":
        edited[where] = "disabled: false"
    else:
        edited[where] += "x"
    assert not switched_off(("\n".join(edited) + "\n").encode(), ours.encode())


@pytest.mark.parametrize(
    ("live", "ours", "wanted"),
    [
        # Rewritten in place, which removes blank lines next to it.
        (b"id: a\ndisabled: true\ntasks: []\n", b"id: a\n\ntasks: []\n", True),
        (b"id: a\n\ndisabled: true\n\ntasks: []\n", b"id: a\ntasks: []\n", True),
        (b"disabled: true # by hand\nid: a\n", b"id: a\n", True),
        (b"id: a\r\ndisabled: true\r\n", b"id: a\r\n", True),
        # A blank line elsewhere is part of a text.
        (b"m: |\n  a\n  b\ndisabled: true\n", b"m: |\n  a\n\n  b\n", False),
        (b"m: |\n  a\n\n\n  b\ndisabled: true\n", b"m: |\n  a\n\n  b\n", False),
        # So are line ends.
        (b"a: 1\nb: 2\ndisabled: true\n", b"a: 1\r\nb: 2\r\n", False),
        # Git says something itself.
        (b"id: a\ndisabled: true\n", b"id: a\ndisabled: false\n", False),
        (b"id: a\ndisabled: true\n", b"id: a\ndisabled: true\n", False),
        # It is not off, or not plainly so.
        (b"id: a\ndisabled: false\n", b"id: a\n", False),
        (b"id: a\ndisabled: 'true'\n", b"id: a\n", False),
        (b"id: a\ndisabled: true#x\n", b"id: a\n", False),
        (b"disabled: true\ndisabled: true\n", b"", False),
        (b"disabled: true\ndisabled: maybe\n", b"", False),
        # A task that is off says nothing of the flow.
        (b"tasks:\n  - disabled: true\n", b"tasks:\n", False),
        (b"x:\n  disabled: false\ndisabled: true\n", b"x:\n  disabled: false\n", True),
        # Something is missing.
        (b"id: a\ndisabled: true\nid: a\n", b"id: a\n", False),
        (b"id: a\ntasks: []\ndisabled: true\n", b"id: a\n", False),
    ],
)
def test_switched_off(live: bytes, ours: bytes, wanted: bool) -> None:
    """Only that line and the blank lines next to it."""
    assert switched_off(live, ours) is wanted


def test_what_the_line_says() -> None:
    """A failed write may exist on the server."""
    assert disabled_in(b"disabled: false\n") is False
    assert disabled_in(b"id: a\n") is None
    assert says_disabled(b"id: a\ndisabled: maybe\n")
    assert not says_disabled(b"x:\n  disabled: true\n")
    assert switch_off(b"id: a") == b"id: a\ndisabled: true\n"
    assert switch_off(b"id: a\r\n") == b"id: a\r\ndisabled: true\r\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"# kestra-sync: keep\nid: a\n", True),
        (b"id: a\n  #kestra-sync:keep until summer\n", True),
        (b"# kestra-sync: keeper\n", False),
        (b"message: '# kestra-sync: keep'\n", False),
        (b"id: a\n", False),
    ],
)
def test_keep_comment__is_recognized(text: bytes, wanted: bool) -> None:
    """The live flow contains the comment."""
    assert keeps(text) is wanted
    gone = change(Action.DELETE, Reason.REMOVED, "a", before=text)
    (kept,) = without_kept([gone])
    assert (kept.action, kept.reason) == (
        (Action.NONE, Reason.PROTECTED) if wanted else (Action.DELETE, Reason.REMOVED)
    )
    update = change(Action.UPDATE, Reason.CHANGED, "a", before=text, after=text)
    assert without_kept([update]) == (update,)


@pytest.mark.parametrize(
    ("only", "exclude", "wanted"),
    [
        ((), (), True),
        (("acme.sales",), (), True),
        (("acme",), (), True),
        (("acm",), (), False),
        (("acme.*",), (), True),
        (("acme/*",), (), False),
        (("acme.sales/load_*",), (), True),
        (("acme.sales/other", "acme.sales/load_orders"), (), True),
        (("acme.SALES",), (), False),
        ((), ("acme.sales",), False),
        (("acme",), ("acme.sales/load_orders",), False),
        (("acme",), ("acme.ops",), True),
    ],
)
def test_selections(only: tuple[str, ...], exclude: tuple[str, ...], wanted: bool) -> None:
    """A pattern without a slash is a namespace and all that is below it."""
    assert selected(FlowId("acme.sales", "load_orders"), only, exclude) is wanted


_MANY = [change(Action.DELETE, Reason.REMOVED, f"d{n}", before=b"x") for n in range(40)]
_UPDATES = [
    change(Action.UPDATE, Reason.CHANGED, f"u{n}", before=b"x", after=b"y") for n in range(6)
]
_MOVE = change(Action.MOVE, Reason.MOVED, "new", after=b"x", moved_from=_MANY[0])
_CONFLICT = change(Action.UPDATE, Reason.CONFLICT, "c", before=b"x", after=b"y")
_DRIFT = change(Action.UPDATE, Reason.DRIFT, "c", before=b"x", after=b"y")
_OUTSIDE = change(Action.CREATE, Reason.NEW, "o", after=b"x", namespace="acme2")
_CREATE = change(Action.CREATE, Reason.NEW, "n", after=b"x", namespace="acme.system")


def _rules(changes: list[Change], made: dict[str, Any], given_: dict[str, Any]) -> list[Refusal]:
    made_plan: Plan = plan(changes, **made)
    options = {each.name for each in fields(Settings)} & given_.keys() - {"name"}
    settings = Settings(**{each: given_[each] for each in options})
    facts = {"owned": 100, "live": 200, **{k: v for k, v in given_.items() if k not in options}}
    return list(check_guards(made_plan, GuardInput(**facts, settings=settings)))


@pytest.mark.parametrize(
    ("changes", "made", "given_", "rules"),
    [
        ([], {}, {}, []),
        (_MANY[:30], {}, {}, []),
        (_MANY[:31], {}, {}, ["too-many-deletions"]),
        ([*_MANY[1:31], _MOVE], {}, {}, ["too-many-deletions"]),
        (_MANY[:31], {}, {"allow_large": True}, []),
        (_MANY[:31], {}, {"prune": Prune.SCOPE}, []),
        (_MANY[:31], {}, {"prune": Prune.SCOPE, "live": 100}, ["too-many-deletions"]),
        (_MANY[:3], {}, {"owned": 3}, ["too-many-deletions"]),
        (_MANY[:5], {}, {"owned": 9}, ["too-many-deletions"]),
        (_MANY[:4], {}, {"owned": 9}, []),
        (_MANY[:2], {}, {"owned": 4}, []),
        (_MANY[:2], {}, {"owned": 3}, ["too-many-deletions"]),
        (_MANY[:1], {}, {"owned": 1}, []),
        (_MANY[:1], {}, {"owned": 9, "delete_limit": Limit(10)}, ["too-many-deletions"]),
        (_MANY[:1], {}, {"owned": 1, "delete_limit": Limit(0)}, ["too-many-deletions"]),
        (_MANY[:8], {}, {"owned": 9, "delete_limit": Limit(90)}, []),
        (_UPDATES, {"unchanged": 2}, {}, []),
        (_UPDATES, {"unchanged": 2}, {"update_limit": Limit(50)}, ["too-many-updates"]),
        (_MANY[:4], {}, {"delete_limit": Limit(3, percent=False)}, ["too-many-deletions"]),
        (_UPDATES, {"unchanged": 4}, {}, ["too-many-updates"]),
        (_UPDATES, {"unchanged": 4}, {"allow_large": True}, []),
        (_UPDATES, {"unchanged": 6}, {}, []),
        (_MANY[:1], {"flows": 0}, {}, ["empty-repository"]),
        ([], {"flows": 0}, {}, []),
        (_MANY[:1], {}, {"without_flow": lambda _path: True}, ["skipped-file"]),
        (
            _MANY[:1],
            {},
            {"without_flow": lambda _path: True, "allow_skipped_delete": True},
            [],
        ),
        ([_CONFLICT], {}, {}, ["conflict"]),
        ([_CONFLICT], {}, {"on_drift": OnDrift.OVERWRITE}, []),
        ([_DRIFT], {}, {}, []),
        ([_DRIFT], {}, {"on_drift": OnDrift.FAIL}, ["drift"]),
        ([_OUTSIDE], {}, {}, ["outside-scope"]),
        ([_CREATE], {}, {"owners": {_CREATE.flow_id: "other"}}, ["other-owner"]),
        ([_CREATE], {}, {"protected": ("acme.system",)}, ["protected-namespace"]),
        ([_CREATE], {}, {"protected": ("acme.sys",)}, []),
        (_MANY[:1], {}, {"callers": {_MANY[0].flow_id: (FlowId("a", "b"),)}}, ["still-called"]),
        (_MANY[:1], {}, {"callers": {FlowId("a", "b"): (FlowId("a", "b"),)}}, []),
    ],
)
def test_guards(
    changes: list[Change], made: dict[str, Any], given_: dict[str, Any], rules: list[str]
) -> None:
    """Each limit at its boundary."""
    found = _rules(changes, made, given_)
    assert [each.rule for each in found] == rules
    for each in found:
        wanted = ExitCode.CONFLICT if each.rule in ("conflict", "drift") else ExitCode.REFUSED
        assert each.exit_code is wanted
        assert each.remedy


def test_guards_name_a_few_and_count_the_rest() -> None:
    """The message contains both numbers."""
    (found,) = _rules(_MANY[:31], {}, {"without_flow": lambda _path: False})
    assert "31 of 100 owned flows" in found.message
    assert "30%" in found.message
    (found,) = _rules([_CONFLICT, _CONFLICT], {}, {})
    assert found.message == "2 flows changed both in Git and on the server: acme/c, acme/c"
    (found,) = _rules(_MANY[:7], {}, {"without_flow": lambda _path: True})
    assert found.message.endswith("acme/d3, acme/d4 and 2 more")


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0, 100))
def test_limits(number: int, total: int, value: float) -> None:
    """A share of the whole, or a number whatever the whole."""
    assert Limit(value, percent=False).exceeded(number, total) == (number > value)
    few = total < 10
    assert Limit(value).exceeded(number, total) == (number * 100 > value * total)
    exceeded = Limit(value, default=True).exceeded(number, total)
    assert exceeded == (not few and number * 100 > value * total)
    assert (str(Limit(30)), str(Limit(30, percent=False))) == ("30%", "30")
