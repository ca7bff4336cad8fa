"""Diagnostics have positions in the file, regardless of the environment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kestra_sync.checks.offline import check_offline, value_text
from kestra_sync.checks.rules import RULES
from kestra_sync.edits import Edit
from kestra_sync.model import Desired, Document, Flow, FlowId, Position, Severity
from kestra_sync.safe.text import quoted

FLOW = FlowId("x.y", "a")
SOURCE = b"id: a\nnamespace: x.y\nfoo: 1\ntasks:\n  - {id: t, type: a.b}\n  - {id: t, type: a.b}\n"


def _desired(data: bytes, first_line: int = 1) -> Desired:
    return Desired(Flow(FLOW, Document("f.yaml", 0, first_line, data)), data)


def test_places_count_in_the_file() -> None:
    found = check_offline(_desired(SOURCE, first_line=11))
    assert [(d.rule, d.position) for d in found] == [
        ("flow-unknown-property", Position(13, 1)),
        ("duplicate-task-id", Position(16, 10)),
    ]
    assert found[1].message.endswith("line 15")
    assert {d.flow for d in found} == {FLOW}
    assert {d.path for d in found} == {"f.yaml"}


def test_places_of_rendered_bytes_are_those_of_the_file() -> None:
    flow = Flow(FLOW, Document("f.yaml", 0, 1, SOURCE))
    found = check_offline(
        Desired(flow, b"# added\n" + SOURCE, steps=((Edit(0, 0, b"# added\n"),),))
    )
    assert found[0].position == Position(3, 1)


def test_unparsable__file_is_reported() -> None:
    found = check_offline(_desired(b"id: a\nnamespace: x.y\ntasks: [a\n", first_line=5))
    assert [(d.rule, d.position) for d in found] == [("yaml-syntax", Position(7, 8))]


def test_a_flow_that_is_not_a_mapping() -> None:
    found = check_offline(_desired(b"- a\n"))
    assert [d.message for d in found] == ["a flow must be a mapping, not a list"]


def test_suggestions() -> None:
    found = check_offline(_desired(b"id: a\nnamespace: x\nTask: []\ntasks: [{id: a, type: b.c}]\n"))
    assert [d.remedy for d in found] == ["did you mean `tasks`?"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({}, "a mapping"),
        ([], "a list"),
        ("", "empty text"),
        ("a\nb\x1b", "`a\\nb\\u001b`"),
        (1.5, "`1.5`"),
        (True, "`true`"),
        ('say "x"', '`say "x"`'),
    ],
)
def test_shown(value: object, text: str) -> None:
    assert value_text(value) == text


def test_quote__is_short() -> None:
    assert len(quoted("x" * 1000)) == 60


def test_rules_are_named_by_their_keys() -> None:
    for name, rule in RULES.items():
        assert rule.id == name
        assert rule.severity in (Severity.ERROR, Severity.WARNING)
        assert rule.description
        assert not rule.description.endswith(".")


@pytest.mark.parametrize(
    "source",
    [
        "inputs: 5\ntriggers: x\nlisteners: [a, {}]\n",
        "inputs: [{id: [a], type: STRING, dependsOn: {inputs: [[a]]}}]\n",
        "inputs: [{id: a, type: [x], dependsOn: {inputs: b}}, x]\n",
        "tasks: [{id: [x], type: [y]}, {id: a, type: io.kestra.plugin.core.flow.If, then: x}]\n",
        "tasks: [{id: a, type: io.kestra.plugin.core.flow.Switch, cases: [x]}, y]\n",
        "tasks: [{id: a, type: io.kestra.plugin.core.flow.Dag, tasks: [{task: x}, y]}]\n",
    ],
)
def test_offline__any_shape_is_handled(source: str) -> None:
    assert check_offline(_desired(f"id: a\nnamespace: x\n{source}".encode()))


def test_valid_flows_need_no_jsonschema() -> None:
    code = (
        "import sys\n"
        "from kestra_sync.checks.offline import check_offline\n"
        "from kestra_sync.model import *\n"
        "data = b'id: a\\nnamespace: x\\ntasks: [{id: a, type: b.c}]'\n"
        "flow = Flow(FlowId('x', 'a'), Document('f', 0, 1, data))\n"
        "assert check_offline(Desired(flow, data)) == ()\n"
        "assert 'jsonschema' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
