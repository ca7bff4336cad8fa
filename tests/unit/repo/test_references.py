"""References are found in all lists of tasks."""

from __future__ import annotations

import pytest

from kestra_sync.model import FlowId
from kestra_sync.repo import ParsedDocument, Reference, ReferenceKind
from kestra_sync.repo.parse import parse

CALL = "{id: c, type: io.kestra.plugin.core.flow.Subflow, namespace: x, flowId: b}"
CONDITION = "{type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: x, flowId: b}"


def _references(source: str) -> tuple[Reference, ...]:
    parsed = parse(source.encode())
    assert isinstance(parsed, ParsedDocument)
    return parsed.references


@pytest.mark.parametrize(
    "place",
    [
        "tasks: [{}]",
        "errors: [{}]",
        "finally: [{}]",
        "afterExecution: [{}]",
        "listeners: [{tasks: [{}]}]",
        "tasks: [{type: If, then: [{}]}]",
        "tasks: [{type: If, else: [{}]}]",
        "tasks: [{type: Switch, cases: {a: [{}]}}]",
        "tasks: [{type: Switch, defaults: [{}]}]",
        "tasks: [{type: Dag, tasks: [{task: {}}]}]",
        "tasks: [{type: Parallel, tasks: [{type: Sequential, errors: [{}]}]}]",
    ],
)
def test_places(place: str) -> None:
    found = _references(place.replace("{}", CALL))
    assert [(r.kind, r.target, r.resolvable) for r in found] == [
        (ReferenceKind.SUBFLOW, FlowId("x", "b"), True)
    ]
    assert found[0].path[-1] == "flowId"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("io.kestra.core.tasks.flows.Subflow", ReferenceKind.SUBFLOW),
        ("io.kestra.core.tasks.flows.Flow", ReferenceKind.SUBFLOW),
        ("io.kestra.plugin.core.flow.ForEachItem", ReferenceKind.FOR_EACH_ITEM),
        ("io.kestra.core.tasks.flows.ForEachItem", ReferenceKind.FOR_EACH_ITEM),
    ],
)
def test_types(kind: str, expected: ReferenceKind) -> None:
    source = f"tasks: [{{id: a, type: {kind}, namespace: x, flowId: b}}]"
    assert [r.kind for r in _references(source)] == [expected]


@pytest.mark.parametrize(
    ("namespace", "flow_id"),
    [
        ("'{{ flow.namespace }}'", "b"),
        ("x", "'{{ vars.flow }}'"),
        ("x", "'{% if a %}b{% endif %}'"),
    ],
)
def test_computed_targets(namespace: str, flow_id: str) -> None:
    source = CALL.replace("namespace: x", f"namespace: {namespace}").replace(
        "flowId: b", f"flowId: {flow_id}"
    )
    assert [r.resolvable for r in _references(f"tasks: [{source}]")] == [False]


@pytest.mark.parametrize(
    "trigger", ["io.kestra.plugin.core.trigger.Flow", "io.kestra.core.models.triggers.types.Flow"]
)
@pytest.mark.parametrize(
    "condition",
    [
        "io.kestra.plugin.core.condition.ExecutionFlow",
        "io.kestra.plugin.core.condition.ExecutionFlowCondition",
        "io.kestra.core.models.conditions.types.ExecutionFlowCondition",
    ],
)
def test_flow_triggers(trigger: str, condition: str) -> None:
    found = _references(
        f"""
triggers:
  - id: t
    type: {trigger}
    preconditions:
      id: p
      flows:
        - {{namespace: x, flowId: a, states: [SUCCESS]}}
        - {{namespace: x}}
        - text
    conditions:
      - {{type: {condition}, namespace: x, flowId: b}}
      - type: io.kestra.plugin.core.condition.Or
        conditions:
          - {{type: {condition}, namespace: x, flowId: c}}
"""
    )
    assert [(str(r.kind), r.target.id) for r in found] == [
        ("flow-trigger", "a"),
        ("flow-trigger", "b"),
        ("flow-trigger", "c"),
    ]
    assert found[0].path == ("triggers", 0, "preconditions", "flows", 0, "flowId")


def test_references__upstream_flows_and_loops_of_kestra_2() -> None:
    found = _references(
        """
tasks:
  - id: l
    type: io.kestra.plugin.core.flow.Loop
    values: [1]
    tasks:
      - {id: c, type: io.kestra.plugin.core.flow.Subflow, namespace: x, flowId: in_a_loop}
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.Flow
    dependsOn:
      - {namespace: x, flowId: a, states: [SUCCESS]}
      - text
  - id: u
    type: io.kestra.plugin.core.trigger.Flow
    dependsOn: text
"""
    )
    assert [(str(r.kind), r.target.id) for r in found] == [
        ("subflow", "in_a_loop"),
        ("flow-trigger", "a"),
    ]
    assert found[1].path == ("triggers", 0, "dependsOn", 0, "flowId")


@pytest.mark.parametrize(
    "source",
    [
        "[a]",
        "tasks: [{type: io.kestra.plugin.core.flow.Subflow, flowId: b}]",
        "tasks: [{type: io.kestra.plugin.core.flow.Subflow, namespace: 5, flowId: b}]",
        "tasks: [{type: [x], namespace: x, flowId: b}]",
        "triggers: [{type: io.kestra.plugin.core.trigger.Flow, preconditions: x}]",
        "triggers: [{type: io.kestra.plugin.core.trigger.Flow, preconditions: {flows: x}}]",
        f"tasks: [{CONDITION}]",
        f"triggers: [{{type: Schedule, conditions: [{CONDITION}]}}]",
    ],
)
def test_references__values_that_are_not_references(source: str) -> None:
    assert _references(source) == ()
