"""A parsed document: plain values with positions, its tasks, and the flows that it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kestra_sync.findings import Finding, NodePath
from kestra_sync.model import FlowId, Position, StrEnum

# More than the columns of any line: files are limited to 10 MiB.
PLACE_LINE = 1 << 24


@dataclass(frozen=True, eq=False)
class ParsedDocument:
    """One YAML document as Kestra would read it.

    :param value: dicts, lists, strings, numbers, booleans and ``None``. Must not be modified:
        parsed documents are cached and shared.
    :param root: the start of the root node.
    :param aliases: positions and names of aliases (``*name``). Kestra does not resolve them: its
        parser reads the name as text, and so does ``value``.
    :param duplicates: duplicate keys. ``value`` has the last one, which Kestra uses in most cases.
    :param duplicate_root_keys: the duplicate keys of the root mapping.
    """

    value: Any
    root: Position
    aliases: tuple[tuple[Position, str], ...] = ()
    duplicates: tuple[Finding, ...] = ()
    duplicate_root_keys: frozenset[str] = frozenset()
    # By the id() of the container, which is kept alive by ``value``. For a mapping: the places of
    # its keys and values, alternating, in the order of the mapping; for a list: the places of its
    # items. A place is ``line * PLACE_LINE + column``, both from 0.
    marks: dict[int, list[int]] = field(default_factory=dict, repr=False)
    # Also by identity: the index of each key of a long mapping.
    _indexes: dict[int, dict[str, int]] = field(default_factory=dict, repr=False)

    @property
    def flow_id(self) -> FlowId | None:
        """The name of the flow in the document; ``None`` without a valid id and namespace.

        Kestra accepts a number or a boolean as an id, but not as a namespace.
        """
        if not isinstance(self.value, dict):
            return None
        namespace, flow_id = self.value.get("namespace"), as_text(self.value.get("id"))
        if isinstance(namespace, str) and flow_id is not None:
            return FlowId(namespace, flow_id)
        return None

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The references to flows that it calls or waits for, in the order of the document."""
        return tuple(_references(self.value))

    def refused_aliases(self, rule: str) -> list[Finding]:
        """Return an error for each alias, for files of kestra-sync itself."""
        return [
            Finding(rule, position, f"the alias '*{name}' is not supported", "write out the value")
            for position, name in self.aliases
        ]

    def position_of(self, path: Sequence[str | int], *, key: bool = False) -> Position:
        """Return the position of the node at ``path``, or of its key; else of its nearest parent.

        If there is no such node, return the position of its nearest parent. Lines and columns count
        from 1, from the start of the document (not of its file).
        """
        node, position = self.value, self.root
        for index, step in enumerate(path):
            at_end = index == len(path) - 1
            if isinstance(node, dict) and step in node:
                at_value = 2 * self._index_of(node, step) + 1
                place = self.marks[id(node)][at_value - (key and at_end)]
            elif isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node):
                place = self.marks[id(node)][step]
            else:
                break
            position = position_at(place)
            node = node[step]
        return position

    def _index_of(self, mapping: dict[Any, Any], key: str | int) -> int:
        if len(mapping) < 64:
            return list(mapping).index(key)
        # A file may have an error at each of a hundred thousand keys.
        indexes = self._indexes.get(id(mapping))
        if indexes is None:
            indexes = self._indexes[id(mapping)] = {each: at for at, each in enumerate(mapping)}
        return indexes[str(key)]

    def key_lines(self, mapping: dict[str, Any]) -> list[int]:
        """Return the lines (from 1) of the keys of a mapping of this document, in order."""
        return [place // PLACE_LINE + 1 for place in self.marks[id(mapping)][::2]]

    def item_lines(self, items: list[Any]) -> list[int]:
        """Return the lines (from 1) of the items of a list of this document, in order."""
        return [place // PLACE_LINE + 1 for place in self.marks[id(items)]]


def as_text(value: Any) -> str | None:
    """Return the text that Jackson reads from a scalar; ``None`` if it rejects it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return None


def position_at(place: int) -> Position:
    """Convert a place (one number for line and column) to a position."""
    line, column = divmod(place, PLACE_LINE)
    return Position(line + 1, column + 1)


class ReferenceKind(StrEnum):
    """How one flow refers to another."""

    SUBFLOW = "subflow"
    FOR_EACH_ITEM = "for-each-item"
    FLOW_TRIGGER = "flow-trigger"


@dataclass(frozen=True)
class Reference:
    """One reference to another flow.

    :param path: the path of the target's id in the document.
    :param resolvable: ``False`` if the target is an expression (``{{ … }}``), known at run time.
    """

    kind: ReferenceKind
    target: FlowId
    path: NodePath
    resolvable: bool = True


# The types and their former names, which Kestra keeps as aliases (``@Plugin(aliases = …)``).
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


def _references(root: Any) -> Iterator[Reference]:
    stack: list[tuple[Any, NodePath, bool]] = []
    if isinstance(root, (dict, list)):
        stack.append((root, (), False))
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
            children: Iterable[tuple[Any, Any]] = node.items()
        else:
            children = enumerate(node)
        stack += [
            (value, (*path, key), in_trigger)
            for key, value in children
            if isinstance(value, (dict, list))
        ][::-1]


def _target(kind: ReferenceKind, node: dict[str, Any], path: NodePath) -> Iterator[Reference]:
    namespace, flow_id = node.get("namespace"), node.get("flowId")
    if isinstance(namespace, str) and isinstance(flow_id, str):
        computed = "{{" in namespace or "{{" in flow_id or "{%" in namespace or "{%" in flow_id
        yield Reference(kind, FlowId(namespace, flow_id), (*path, "flowId"), not computed)


def _preconditions(trigger: dict[str, Any], path: NodePath) -> Iterator[Reference]:
    """Yield upstream flows: ``preconditions.flows`` in 1.x, ``dependsOn`` since 2.0."""
    preconditions = trigger.get("preconditions")
    flows = preconditions.get("flows") if isinstance(preconditions, dict) else None
    for where, upstreams in (
        (("preconditions", "flows"), flows),
        (("dependsOn",), trigger.get("dependsOn")),
    ):
        for index, upstream in enumerate(upstreams if isinstance(upstreams, list) else ()):
            if isinstance(upstream, dict):
                yield from _target(ReferenceKind.FLOW_TRIGGER, upstream, (*path, *where, index))


SECTIONS = ("tasks", "errors", "finally", "afterExecution")

# Only Kestra's own flowable tasks contain tasks; `tasks` of another plugin (a Databricks job, a
# Kubernetes pod) is something else.
_FLOWABLE = ("io.kestra.plugin.core.flow.", "io.kestra.core.tasks.flows.")
_CHILDREN = ("tasks", "then", "else", "defaults", "errors", "finally")


def all_tasks(flow: dict[str, Any]) -> Iterator[tuple[NodePath, dict[str, Any]]]:
    """Yield every mapping in a list of tasks, with its path, in the order of the document."""
    for section, value in flow.items():
        if section in SECTIONS:
            yield from _of_list(value, (section,))
        elif section == "listeners":
            for index, listener in enumerate(as_list(value)):
                if isinstance(listener, dict):
                    yield from _of_list(listener.get("tasks"), (section, index, "tasks"))


def task_lists(flow: dict[str, Any]) -> Iterator[tuple[NodePath, list[Any]]]:
    """Yield the lists of tasks, in which Kestra ignores items that are not tasks."""
    for section in SECTIONS:
        yield (section,), as_list(flow.get(section))
    for path, task in all_tasks(flow):
        yield from _child_lists(task, path)


def as_list(value: Any) -> list[Any]:
    """Return the value if it is a list, otherwise an empty list; the schema reports it."""
    return value if isinstance(value, list) else []


def _of_list(value: Any, path: NodePath) -> Iterator[tuple[NodePath, dict[str, Any]]]:
    stack = [((*path, index), task) for index, task in enumerate(as_list(value))][::-1]
    while stack:
        here, task = stack.pop()
        if not isinstance(task, dict):
            continue
        if "task" in task and "type" not in task:  # an entry of a Dag
            stack.append(((*here, "task"), task["task"]))
            continue
        yield here, task
        children = [
            ((*child, index), item)
            for child, items in _child_lists(task, here)
            for index, item in enumerate(items)
        ]
        stack.extend(reversed(children))


def _child_lists(task: dict[str, Any], path: NodePath) -> Iterator[tuple[NodePath, list[Any]]]:
    kind = task.get("type")
    if not isinstance(kind, str) or not kind.startswith(_FLOWABLE):
        return
    for key, value in task.items():
        if key in _CHILDREN:
            yield (*path, key), as_list(value)
        elif key == "cases" and isinstance(value, dict):
            for case, items in value.items():
                yield (*path, key, case), as_list(items)
