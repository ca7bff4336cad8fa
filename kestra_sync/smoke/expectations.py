"""Compares the actual with the expected result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kestra_sync.client.execution import Execution
from kestra_sync.executions.logs import Entries, found_in
from kestra_sync.safe.patterns import SlowPatternError
from kestra_sync.safe.secrets import Masker
from kestra_sync.smoke.result import FailureKind, SmokeFailure
from kestra_sync.smoke.spec import NOT_RUN, Expectation

_SHOWN = 200
_ABSENT = object()


def failures_of(
    expect: Expectation, execution: Execution, entries: Entries, masker: Masker
) -> tuple[SmokeFailure, ...]:
    """Return the unmet expectations; empty if the test passed."""
    return tuple(
        SmokeFailure(kind, masker.clean(message))
        for kind, message in (
            *_state(expect, execution),
            *_outputs(expect.outputs, execution),
            *_tasks(expect.tasks, execution),
            *_logs(expect, entries),
        )
    )


Unmet = Iterator[tuple[FailureKind, str]]


def _state(expect: Expectation, execution: Execution) -> Unmet:
    if execution.state not in expect.states:
        yield FailureKind.STATE, f"expected {' or '.join(expect.states)}, got {execution.state}"


def _outputs(expected: Mapping[str, Any], execution: Execution) -> Unmet:
    for name, value in expected.items():
        actual = execution.outputs.get(name, _ABSENT)
        if value is None and actual is _ABSENT:
            continue
        if not same(value, actual):
            got = "got nothing" if actual is _ABSENT else f"got {json_text(actual)}"
            yield FailureKind.OUTPUT, f"output {name}: expected {json_text(value)}, {got}"


def _tasks(expected: Mapping[str, tuple[str, ...]], execution: Execution) -> Unmet:
    for task, states in expected.items():
        runs = [run for run in execution.task_runs if run.task_id == task]
        allowed = " or ".join(states)
        if not runs and NOT_RUN not in states:
            yield FailureKind.TASK, f"task {task}: expected {allowed}, but it did not run"
        wrong = [run for run in runs if run.state not in states]
        if wrong:
            of = f" ({len(wrong)} of {len(runs)} runs)" if len(runs) > 1 else ""
            got = ", ".join(sorted({run.state for run in wrong}))
            yield FailureKind.TASK, f"task {task}: expected {allowed}, got {got}{of}"


def _logs(expect: Expectation, entries: Entries) -> Unmet:
    for pattern in expect.logs_match:
        try:
            if found_in(pattern, entries) is None:
                yield FailureKind.LOG, f"no log message matches {pattern}"
        except SlowPatternError as error:
            yield FailureKind.LOG, f"{error}: {error.remedy}"
    for pattern in expect.logs_no_match:
        try:
            entry = found_in(pattern, entries)
        except SlowPatternError as error:
            entry = None
            yield FailureKind.LOG, f"{error}: {error.remedy}"
        if entry is not None:
            text = " ".join(entry.message.split())
            at = f" of task {entry.task_id}" if entry.task_id else ""
            yield FailureKind.LOG, f"a log message{at} matches {pattern}: {_short(text)}"


def same(expected: Any, actual: Any) -> bool:
    """Compare as JSON values: 3 equals 3.0, ``true`` does not equal 1."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(
            same(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return bool(expected == actual)


def json_text(value: Any) -> str:
    """Return a value as JSON, truncated if long."""
    return _short(json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
