"""Which flows a flow calls or waits for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kestra_sync.findings import NodePath
from kestra_sync.model import FlowId, StrEnum
from kestra_sync.repo.document import ParsedDocument


class ReferenceKind(StrEnum):
    """How one flow refers to another."""

    SUBFLOW = "subflow"
    FOR_EACH_ITEM = "for-each-item"
    FLOW_TRIGGER = "flow-trigger"


@dataclass(frozen=True)
class Reference:
    """One reference to another flow.

    :param path: where in the document the target's id stands.
    :param resolvable: ``False`` if the target is computed (``{{ … }}``) and only known at run time.
    """

    kind: ReferenceKind
    target: FlowId
    path: NodePath
    resolvable: bool = True


# The types and their older names, which Kestra keeps as aliases (``@Plugin(aliases = …)``).
_CALLS = {
    "io.kestra.plugin.core.flow.Subflow": ReferenceKind.SUBFLOW,
    "io.kestra.core.tasks.flows.Subflow": ReferenceKind.SUBFLOW,
    "io.kestra.core.tasks.flows.Flow": ReferenceKind.SUBFLOW,
    "io.kestra.plugin.core.flow.ForEachItem": ReferenceKind.FOR_EACH_ITEM,
    "io.kestra.core.tasks.flows.ForEachItem": ReferenceKind.FOR_EACH_ITEM,
}
_FLOW_TRIGGERS = frozenset(
    ("io.kestra.plugin.core.trigger.Flow", "io.kestra.core.models.triggers.types.Flow")
)
_EXECUTION_FLOW = frozenset(
    (
        "io.kestra.plugin.core.condition.ExecutionFlow",
        "io.kestra.plugin.core.condition.ExecutionFlowCondition",
        "io.kestra.core.models.conditions.types.ExecutionFlowCondition",
    )
)


def references(parsed: ParsedDocument) -> tuple[Reference, ...]:
    """The references of a parsed flow, in the order of the document."""
    return tuple(_of(parsed.value))


def _of(root: Any) -> Iterator[Reference]:
    stack: list[tuple[Any, NodePath, bool]] = [(root, (), False)]
    while stack:
        node, path, in_trigger = stack.pop()
        if isinstance(node, dict):
            kind = node.get("type")
            if isinstance(kind, str):
                if kind in _CALLS:
                    yield from _target(_CALLS[kind], node, path)
                elif kind in _FLOW_TRIGGERS:
                    in_trigger = True
                    yield from _preconditions(node, path)
                elif kind in _EXECUTION_FLOW and in_trigger:
                    yield from _target(ReferenceKind.FLOW_TRIGGER, node, path)
            children = [(value, (*path, key), in_trigger) for key, value in node.items()]
        elif isinstance(node, list):
            children = [(value, (*path, index), in_trigger) for index, value in enumerate(node)]
        else:
            continue
        stack.extend(reversed(children))


def _target(kind: ReferenceKind, node: dict[str, Any], path: NodePath) -> Iterator[Reference]:
    namespace, flow_id = node.get("namespace"), node.get("flowId")
    if isinstance(namespace, str) and isinstance(flow_id, str):
        computed = "{{" in namespace or "{{" in flow_id or "{%" in namespace or "{%" in flow_id
        yield Reference(kind, FlowId(namespace, flow_id), (*path, "flowId"), not computed)


def _preconditions(trigger: dict[str, Any], path: NodePath) -> Iterator[Reference]:
    """Upstream flows: under ``preconditions.flows`` in 1.x, ``dependsOn`` since 2.0."""
    preconditions = trigger.get("preconditions")
    flows = preconditions.get("flows") if isinstance(preconditions, dict) else None
    for where, upstreams in (
        (("preconditions", "flows"), flows),
        (("dependsOn",), trigger.get("dependsOn")),
    ):
        for index, upstream in enumerate(upstreams if isinstance(upstreams, list) else ()):
            if isinstance(upstream, dict):
                yield from _target(ReferenceKind.FLOW_TRIGGER, upstream, (*path, *where, index))
