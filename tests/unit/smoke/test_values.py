"""Durations, selection, comparison: small things that need no server."""

from __future__ import annotations

from typing import Any

import pytest

from kestra_sync.errors import UsageError
from kestra_sync.executions.duration import (
    format_duration,
    format_limit,
    iso_seconds,
    parse_duration,
)
from kestra_sync.executions.manual import parse_inputs
from kestra_sync.model import Document, Flow, FlowId
from kestra_sync.safe.secrets import Masker
from kestra_sync.smoke.expectations import failures_of, json_text, same
from kestra_sync.smoke.selection import calls_any, calls_from, is_due
from kestra_sync.smoke.spec import Expectation, SmokeSpec, When
from tests.unit.smoke.fake import execution, task_run


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("5m", 300), ("1h30m", 5400), ("0h1s", 1)]
)
def test_durations__are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 m", "0s", "1.5s", "5m\n"])
def test_duration__invalid_values(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (300, "5 min"), (5405, "1 h 30 min 5 s")],
)
def test_durations__are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_limits_are_written_as_they_were_given() -> None:
    assert [format_limit(each) for each in (4.0, 1.5, 90)] == ["4 s", "1.5 s", "1 min 30 s"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT0.5S", 0.5), ("PT1M2S", 62), ("P1DT1H", 90000), ("PT", 0), ("soon", None), (None, None)],
)
def test_durations_of_kestra(text: str | None, seconds: float | None) -> None:
    assert iso_seconds(text) == seconds


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        (3, 3.0, True),
        (1, True, False),
        (True, True, True),
        ("3", 3, False),
        (None, None, True),
        ([1, [2.0]], [1.0, [2]], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_values__are_compared_as_json(expected: Any, actual: Any, equal: bool) -> None:
    assert same(expected, actual) is equal


def test_a_task_with_some_bad_runs() -> None:
    loop = execution(task_runs=(task_run("a"), task_run("a", "FAILED"), task_run("b")))
    found = failures_of(
        Expectation(outputs={"gone": None}, tasks={"a": ("SUCCESS",), "b": ("NOT_RUN",)}),
        loop,
        (),
        Masker((), {}),
    )
    assert [each.message for each in found] == [
        "task a: expected SUCCESS, got FAILED (1 of 2 runs)",
        "task b: expected NOT_RUN, got SUCCESS",
    ]


def test_long_values_are_cut() -> None:
    assert json_text("x" * 1000) == '"' + "x" * 199 + "…"


def flow(name: str, *targets: str, trigger: str | None = None, text: str = "") -> Flow:
    subflow = "io.kestra.plugin.core.flow.Subflow"
    lines = [f"id: {name}", "namespace: n", "tasks:", "  - {id: x, type: x}"]
    lines += [
        f"  - {{id: c{i}, type: {subflow}, namespace: n, flowId: {each}}}"
        for i, each in enumerate(targets)
    ]
    if trigger:
        lines += [
            "triggers:",
            "  - id: t",
            "    type: io.kestra.plugin.core.trigger.Flow",
            "    preconditions: {id: p, flows: [{namespace: n, flowId: " + trigger + "}]}",
        ]
    data = text or "\n".join(lines)
    return Flow(FlowId("n", name), Document(f"{name}.yaml", 0, 1, data.encode()))


def test_a_test_is_due_if_anything_it_calls_was_written() -> None:
    flows = {
        each.flow_id: each
        for each in (
            flow("a", "b"),
            flow("b", "c", "a"),  # a circle
            flow("c", trigger="d"),
            flow("d"),
            flow("e", text="id: [broken"),
        )
    }

    def due(name: str, *written: str) -> bool:
        spec = SmokeSpec(FlowId("n", name))
        return is_due(spec, [FlowId("n", each) for each in written], calls_from([spec], flows))

    assert due("a", "a")
    assert due("a", "c")
    assert not due("a", "d")
    assert not due("d", "a", "b", "c")
    assert not due("e", "a")
    assert not due("elsewhere", "a")
    assert is_due(SmokeSpec(FlowId("n", "d"), when=When.ALWAYS), [], {})


def test_smoke__flows_that_call_an_updated_one() -> None:
    flows = {each.flow_id: each for each in (flow("a", "b"), flow("b", "c"), flow("c"))}
    always = SmokeSpec(FlowId("n", "a"), when=When.ALWAYS)
    calls = calls_from([always], flows)
    updated = [FlowId("n", "c")]
    assert calls_any(always, updated, calls)
    assert not calls_any(SmokeSpec(updated[0]), updated, calls)  # it is executed by its revision
    assert not calls_any(always, [], calls)


def test_smoke__only_reachable_flows_are_parsed() -> None:
    flows = {each.flow_id: each for each in (flow("a", "b"), flow("b"), flow("z", "a"))}
    calls = calls_from([SmokeSpec(FlowId("n", "a"))], flows)
    assert set(calls) == {FlowId("n", "a"), FlowId("n", "b")}


def test_of_an_input_given_twice_the_last_counts() -> None:
    assert parse_inputs(["a=1", "a=2=3", "b="]) == {"a": "2=3", "b": ""}


def test_what_is_typed_must_be_text() -> None:
    """Bytes that are not UTF-8 come from the shell as lone surrogates."""
    with pytest.raises(UsageError, match="-i a: bytes that are not UTF-8"):
        parse_inputs(["a=\udcff"])
