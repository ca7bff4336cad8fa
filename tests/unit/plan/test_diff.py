"""Text diffs, structured changes and headings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.kinds.registry import diff_of
from kestra_sync.model import Action, Reason
from kestra_sync.plan.diff import Hunk, LineMark, diff_flows, unified
from kestra_sync.plan.structured import structured_changes
from tests.support.plans import change, source

_LINE = st.sampled_from(["id: a", "b", "", "  - x", "tasks:", "é💚", "form\x0cfeed"])
_SOURCE = st.builds(
    lambda lines, end: ("\n".join(lines) + end).encode(),
    st.lists(_LINE, max_size=25),
    st.sampled_from(["", "\n"]),
)


def applied(before: bytes, hunks: tuple[Hunk, ...]) -> bytes:
    """What ``patch`` would make of ``before``."""
    old = before.decode().split("\n")
    result: list[str] = []
    position = 0
    for hunk in hunks:
        start = hunk.old_start - 1
        result += old[position:start]
        position = start
        for mark, text in hunk.lines:
            if mark in (LineMark.SAME, LineMark.REMOVED):
                assert old[position] == text
                position += 1
            if mark in (LineMark.SAME, LineMark.ADDED):
                result.append(text)
    result += old[position:]
    return "\n".join(result).encode()


@given(_SOURCE, _SOURCE, st.integers(0, 4))
def test_the_hunks_lead_from_before_to_after(before: bytes, after: bytes, context: int) -> None:
    """Applied to the one they give the other, but for the newline at the end, which is noted."""
    hunks = unified(before, after, context=context)
    assert (hunks == ()) == (before == after)
    got = applied(before, hunks)
    assert got.rstrip(b"\n") == after.rstrip(b"\n")
    notes = sum(mark is LineMark.NOTE for hunk in hunks for mark, _ in hunk.lines)
    if bool(before.endswith(b"\n")) != bool(after.endswith(b"\n")) and before and after:
        assert notes == 1


@given(_SOURCE, _SOURCE)
def test_hunk__has_the_requested_context(before: bytes, after: bytes) -> None:
    """Without any, each line of a diff is a change."""
    marks = {mark for hunk in unified(before, after, context=0) for mark, _ in hunk.lines}
    assert LineMark.SAME not in marks


def test_diff__hunks_have_headings() -> None:
    """By the outline of the side that has the line; by its number where there is none."""
    before, after = b"a\nb\n" + b"same\n" * 9 + b"c\n", b"a\nB\n" + b"same\n" * 9
    hunks = unified(
        before,
        after,
        old_outline=lambda line: f"old {line}",
        new_outline=lambda line: f"new {line}",
    )
    assert [(hunk.heading, hunk.old_start, hunk.new_start) for hunk in hunks] == [
        ("new 2", 1, 1),
        ("old 12", 10, 10),
    ]
    (first, _) = unified(before, after, new_outline=lambda _line: None)
    assert first.heading == "line 2"


def test_diff__shows_changed_carriage_returns() -> None:
    """They are the whole difference sometimes."""
    (hunk,) = unified(b"a\r\nb\n", b"a\r\nb\r\n")
    assert hunk.lines == ((LineMark.SAME, "a"), (LineMark.REMOVED, "b"), (LineMark.ADDED, "b␍"))


def test_bytes_that_are_not_text_are_spelled_out() -> None:
    """A diff can be made of anything that a server may hold."""
    (hunk,) = unified(b"a\xff\n", b"a\n")
    assert hunk.lines[0] == (LineMark.REMOVED, "a\\xff")


def test_only_updates_have_a_diff() -> None:
    """What comes or goes as a whole is told by its name."""
    a, b = source("a", "one"), source("a", "two")
    assert [hunk.heading for hunk in diff_of(_change(Action.UPDATE, a, b))] == ["tasks › send"]
    assert diff_of(_change(Action.CREATE, None, b)) == ()
    assert diff_of(_change(Action.DELETE, a, None)) == ()
    assert diff_of(_change(Action.NONE, a, b)) == ()
    # A source that is not YAML has a diff too.
    assert [hunk.heading for hunk in diff_flows(b"a: [\n", b"b: [\n")] == ["line 1"]


def _change(action: Action, before: bytes | None, after: bytes | None) -> Any:
    return change(action, Reason.CHANGED, "a", before=before, after=after)


_TASK = {"id": "a", "type": "Log"}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"a": 1}, {"a": 1}, []),
        (
            {"a": 1},
            {"a": 2},
            [{"op": "replace", "path": ["a"], "before": 1, "after": 2}],
        ),
        (
            {"a": 1},
            {"a": "1"},
            [{"op": "replace", "path": ["a"], "before": 1, "after": "1"}],
        ),
        (
            {"a": 1, "b": {"c": [1]}},
            {"a": 1},
            [{"op": "remove", "path": ["b"], "before": {"c": [1]}}],
        ),
        ({}, {"a": None}, [{"op": "add", "path": ["a"], "after": None}]),
        # A task in front of another is one addition.
        (
            {"tasks": [{"id": "b", "x": 1}]},
            {"tasks": [_TASK, {"id": "b", "x": 2}]},
            [
                {"op": "add", "path": ["tasks", "a"], "after": _TASK},
                {"op": "replace", "path": ["tasks", "b", "x"], "before": 1, "after": 2},
            ],
        ),
        # Another order is a change, though nothing is added or removed.
        (
            {"tasks": [{"id": "a"}, {"id": "b"}]},
            {"tasks": [{"id": "b"}, {"id": "c"}, {"id": "a"}]},
            [
                {"op": "reorder", "path": ["tasks"], "before": ["a", "b"], "after": ["b", "a"]},
                {"op": "add", "path": ["tasks", "c"], "after": {"id": "c"}},
            ],
        ),
        # Items without ids, or with an id twice, are told apart by their place.
        (
            {"values": [1, 2]},
            {"values": [1, 3, 4]},
            [
                {"op": "replace", "path": ["values", 1], "before": 2, "after": 3},
                {"op": "add", "path": ["values", 2], "after": 4},
            ],
        ),
        (
            {"x": [{"id": "a"}, {"id": "a"}, {"id": "b"}]},
            {"x": [{"id": "a"}, {"id": "a"}]},
            [{"op": "remove", "path": ["x", 2], "before": {"id": "b"}}],
        ),
        # A list that becomes one with ids is shown as the lists that they are.
        (
            {"x": [1]},
            {"x": [{"id": "a", "list": [{"id": "b"}]}]},
            [
                {
                    "op": "replace",
                    "path": ["x"],
                    "before": [1],
                    "after": [{"id": "a", "list": [{"id": "b"}]}],
                }
            ],
        ),
        # Keys that look like paths are keys.
        (
            {"a.b": {"c['d']": 1}, "e/f": 1},
            {"a.b": {"c['d']": 2}, "e/f": 1},
            [{"op": "replace", "path": ["a.b", "c['d']"], "before": 1, "after": 2}],
        ),
        (1, 2, [{"op": "replace", "path": [], "before": 1, "after": 2}]),
    ],
)
def test_structured_changes(before: Any, after: Any, wanted: list[dict[str, Any]]) -> None:
    """Paths and values, tasks by their id."""
    assert structured_changes(before, after) == wanted


_KEYS = st.sampled_from(["a", "b", "id", "tasks"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES, _VALUES)
def test_structured_changes__empty_only_if_equal(before: Any, after: Any) -> None:
    """No difference is lost, and none is made up."""
    same = repr(before) == repr(after) or _same(before, after)
    assert (structured_changes(before, after) == []) == same


def _same(one: Any, two: Any) -> bool:
    """Equal as YAML values: ``True`` is not ``1``, and the order of keys does not count."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    return type(one) is type(two) and bool(one == two)
