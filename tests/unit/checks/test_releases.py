"""The move from Kestra 1.3 to 2.0, and flows that the server accepts despite offline checks."""

from __future__ import annotations

import pytest

from kestra_sync.checks.offline import check_offline
from kestra_sync.checks.releases import release_of, table
from kestra_sync.checks.rules import after_server, deduplicated
from kestra_sync.configured import Policy
from kestra_sync.errors import UsageError
from kestra_sync.model import Desired, Diagnostic, Document, Flow, FlowId, Position, Severity
from kestra_sync.render import render

NAME = FlowId("x", "a")
HEAD = "id: a\nnamespace: x\n"
TASKS = "tasks:\n  - id: t\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"


def _desired(text: str) -> Desired:
    (desired,) = render([Flow(NAME, Document("a.yaml", 0, 1, text.encode()))]).desired
    return desired


def _said(text: str, release: tuple[int, int] | None) -> list[tuple[str, str, int]]:
    return [
        (str(each.severity), each.rule, each.position.line if each.position else 0)
        for each in check_offline(_desired(text), release)
    ]


@pytest.mark.parametrize("row", table()["types"], ids=lambda row: str(row["type"]))
def test_each_removed_type_is_an_error_in_2_0_only(row: dict[str, str]) -> None:
    assert row["source"]
    text = HEAD + TASKS + f"  - id: u\n    type: {row['type']}\n"
    assert ("error", "kestra-removed", 8) in _said(text, (2, 0))
    assert "kestra-removed" not in str(_said(text, (1, 3)))
    assert "kestra-removed" not in str(_said(text, None))


@pytest.mark.parametrize(
    "row", table()["properties"], ids=lambda row: f"{row['on']}-{row['property']}"
)
def test_each_removed_property_is_an_error_in_2_0(row: dict[str, str]) -> None:
    assert row["source"]
    on, key = row["on"], row["property"]
    if on == "flow":
        text = f"{HEAD}{TASKS}{key}: []\n"
    elif on == "input":
        text = f"{HEAD}{TASKS}inputs:\n  - type: STRING\n    {key}: b\n"
    elif on == "trigger" or on.endswith("rigger") or ".trigger." in on:
        type_ = on if "." in on else "io.kestra.plugin.core.trigger.Schedule"
        text = f"{HEAD}{TASKS}triggers:\n  - id: c\n    type: {type_}\n    {key}: []\n"
    else:
        type_ = on if "." in on else "io.kestra.plugin.core.log.Log"
        text = f"{HEAD}tasks:\n  - id: t\n    type: {type_}\n    {key}: []\n"
    line = next(
        i for i, each in enumerate(text.splitlines(), 1) if each.strip().startswith(f"{key}:")
    )
    if on != "flow" or key != "listeners":
        line = max(i for i, each in enumerate(text.splitlines(), 1) if f"{key}:" in each)
    assert ("error", "kestra-removed", line) in _said(text, (2, 0))


def test_what_is_new_in_2_0() -> None:
    text = HEAD + TASKS + "draft: true\n"
    assert _said(text, (2, 0)) == []
    assert _said(text, (1, 3)) == [("error", "flow-unknown-property", 7)]
    unknown = HEAD + TASKS + "drafty: true\n"
    assert _said(unknown, None) == [("warning", "flow-unknown-property", 7)]
    for release in ((1, 3), (2, 0)):
        assert _said(unknown, release) == [("error", "flow-unknown-property", 7)]
    inputs = HEAD + TASKS + "inputs:\n  - id: b\n    type: BOOLEAN\n"
    assert ("error", "kestra-removed", 9) in _said(inputs, (2, 0))


@pytest.mark.parametrize("text", ["2.0", "v2.0.3", "2.0.0-SNAPSHOT", "1.3.25"])
def test_releases(text: str) -> None:
    assert release_of(text) in ((1, 3), (2, 0))


@pytest.mark.parametrize("text", ["", "2", "x.y", "9.9", "1.0", "9" * 5000 + ".0"])
def test_other_releases_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        release_of(text)


def _diagnostic(rule: str, severity: Severity, line: int = 1) -> Diagnostic:
    return Diagnostic("a.yaml", Position(line, 1), severity, rule, rule, None, NAME)


def test_verdict__accepted_flow_is_at_most_a_warning() -> None:
    ours = [_diagnostic(rule, Severity.ERROR) for rule in ("flow-schema", "yaml-syntax")]
    final = [_diagnostic("flow-deleted", Severity.ERROR)]
    found = after_server([*ours, *final], {("a.yaml", NAME)}, Policy())
    assert [str(each.severity) for each in found] == ["warning", "warning", "error"]
    assert after_server(ours, set(), Policy()) == ours
    chosen = Policy(severity={"flow-schema": Severity.ERROR})
    assert after_server(ours[:1], {("a.yaml", NAME)}, chosen) == ours[:1]


def test_diagnostics__duplicates_are_reported_once() -> None:
    ours = _diagnostic("flow-schema", Severity.ERROR, 3)
    theirs = _diagnostic("kestra-invalid", Severity.ERROR, 3)
    elsewhere = _diagnostic("kestra-invalid", Severity.ERROR, 4)
    assert deduplicated([ours], [theirs, elsewhere]) == [ours, elsewhere]
    guess = _diagnostic("flow-unknown-property", Severity.WARNING, 3)
    assert deduplicated([guess], [theirs]) == [theirs]
    broken = _diagnostic("yaml-syntax", Severity.ERROR, 9)
    assert deduplicated([broken], [theirs]) == [broken]
