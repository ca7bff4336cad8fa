"""Diffs of a large plan, at each level of detail."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest

from kestra_sync.kinds.registry import diff_of
from kestra_sync.model import Action, Change, Plan, Reason
from kestra_sync.plan.diff import Hunk, unified
from kestra_sync.report.lines import write
from kestra_sync.report.plan_text import DiffDetail, diff_lines, plan_lines, stat
from tests.support.golden import check_golden
from tests.support.plans import change, plan, source


def _update(name: str, old: bytes, new: bytes, namespace: str = "acme.sales") -> Change:
    return change(
        Action.UPDATE, Reason.CHANGED, name, namespace=namespace, before=old, after=new, revision=3
    )


def _large() -> Plan:
    """Sixty flows whose label changes alike, one with a change of its own, one that is new."""
    changes = []
    for number in range(60):
        name, namespace = f"flow_{number:02}", f"acme.team{number % 3}"
        old, new = (
            source(name, namespace=namespace, extra=f"labels:\n  owner: {owner}\n")
            for owner in ("old-team", "new-team")
        )
        changes.append(_update(name, old, new, namespace))
    changes.append(_update("own", source("own", "a"), source("own", "b")))
    changes.append(change(Action.CREATE, Reason.NEW, "new", after=source("new")))
    return plan(sorted(changes, key=lambda each: each.flow_id))


def _shown(
    made: Plan, detail: DiffDetail, limit: int | None = 200, width: int | None = None
) -> str:
    diffs = {each.flow_id: diff_of(each) for each in made.changes}
    stream = io.StringIO()
    lines = plan_lines(made, diffs, detail=detail, limit=limit, width=width)
    write(lines, stream, colour=False)
    return stream.getvalue()


def _wide() -> Plan:
    """Long names and reasons: flows with the same change, an edit on the server, a deletion."""
    namespace = "acme.finance.reporting.quarterly"
    changes = []
    for number in range(4):
        name = f"consolidate_subsidiary_{number}"
        old, new = (source(name, text, namespace=namespace) for text in ("old", "new"))
        changes.append(_update(name, old, new, namespace))
    edited, wanted = (source("publish_report", text, namespace=namespace) for text in "xy")
    more: dict[str, Any] = {"namespace": namespace, "before": edited, "revision": 12}
    changes += [
        change(Action.UPDATE, Reason.DRIFT, "publish_report", after=wanted, **more),
        change(Action.DELETE, Reason.REMOVED, "old_report", **more),
        change(Action.CREATE, Reason.NEW, "n", namespace="a", after=source("n", namespace="a")),
    ]
    return plan(sorted(changes, key=lambda each: each.flow_id))


@pytest.mark.parametrize("width", [80, 200])
def test_plan_text__width_of_the_terminal(width: int) -> None:
    """At 80 columns, the path and the reason are below the name, at 200 next to it."""
    shown = _shown(_wide(), DiffDetail.SHORT, width=width)
    check_golden(f"plan_{width}_columns.txt", shown)
    head, *lines = shown.splitlines()
    assert head.startswith("kestra-sync plan")
    assert max(map(len, lines)) <= width
    if width == 200:
        assert shown == _shown(_wide(), DiffDetail.SHORT)


def test_plan_text__total_of_all_diffs() -> None:
    assert "\nDiffs of 61 flows: +61 −61 lines\nPlan: " in _shown(_large(), DiffDetail.SHORT)
    assert "Diffs of" not in _shown(_large(), DiffDetail.NONE)
    one = plan([_update("own", source("own", "a"), source("own", "b"))])
    assert "Diffs of" not in _shown(one, DiffDetail.SHORT)  # its diff is all there is


@pytest.mark.parametrize("detail", [DiffDetail.SHORT, DiffDetail.STAT])
def test_plan_text__large(detail: DiffDetail) -> None:
    check_golden(f"plan_large_{detail.value}.txt", _shown(_large(), detail))


def test_plan_text__equal_changes_are_shown_once() -> None:
    short = _shown(_large(), DiffDetail.SHORT)
    assert short.count("+   owner: new-team") == 1
    assert "the same change in 59 more flows:" in short
    assert all(f"/flow_{number:02}" in short for number in range(60))
    assert _shown(_large(), DiffDetail.FULL).count("+   owner: new-team") == 60
    for detail in (DiffDetail.STAT, DiffDetail.NONE):
        text = _shown(_large(), detail)
        assert "owner:" not in text
        assert "@@" not in text


def test_plan_text__what_needs_a_look_is_never_grouped() -> None:
    """Drift, for one: the edit of each flow is shown."""
    old, new = source("x", "edited"), source("x", "git")
    made = plan(
        [
            change(Action.UPDATE, Reason.DRIFT, f"f{n}", before=old, after=new, base=new)
            for n in range(5)
        ]
    )
    assert _shown(made, DiffDetail.SHORT).count("git") == 5


def test_plan_text__long_diff_is_cut_unless_a_question_follows() -> None:
    old = "".join(f"a{number}\n" for number in range(300)).encode()
    made = plan([_update("long", old, old.replace(b"a", b"b"))])
    assert "--diff full shows all of them" in _shown(made, DiffDetail.SHORT)
    for text in (_shown(made, DiffDetail.SHORT, None), _shown(made, DiffDetail.FULL)):
        assert "more line" not in text
        assert text.count("+ b") == 300


def _text(hunks: Iterable[Hunk], limit: int | None) -> list[str]:
    return [each.text for each in diff_lines(tuple(hunks), indent=2, limit=limit)]


def test_diff_text__cut_says_how_much_is_missing() -> None:
    hunks = unified(b"a\nb\nc\n", b"a\nB\nC\nD\n")
    assert stat(hunks) == "+3 −2"
    assert stat(()) == ""
    *_, last = _text(hunks, 2)
    assert last.startswith("  … 4 more lines of this diff (+3 −1)")
    assert len(_text(hunks, None)) == 7
