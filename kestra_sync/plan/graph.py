"""The dependency graph: nodes and edges, for every graph format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from kestra_sync.model import Change, FlowId, Kind, StrEnum
from kestra_sync.plan.order import single_writes
from kestra_sync.repo.document import ParsedDocument, ReferenceKind
from kestra_sync.repo.load import parse_source
from kestra_sync.resources import in_memory


class NodeLocation(StrEnum):
    """Where a flow of the graph is; stable in the JSON."""

    GIT = "git"
    ELSEWHERE = "elsewhere"
    COMPUTED = "computed"


class NodeMark(StrEnum):
    """What happens to a flow; stable in the JSON."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    DRIFT = "drift"


@dataclass(frozen=True)
class GraphNode:
    """One flow.

    :param place: ``COMPUTED`` if its name is only known at run time (``{{ … }}``).
    :param path: the file that contains it.
    :param mark: what the plan does to it; ``None`` for nothing.
    """

    flow_id: FlowId
    place: NodeLocation = NodeLocation.GIT
    path: str | None = None
    mark: NodeMark | None = None


@dataclass(frozen=True, order=True)
class Edge:
    """``origin`` starts ``target``, by a call or, for a flow trigger, when it has ended."""

    origin: FlowId
    target: FlowId
    kind: ReferenceKind

    @property
    def waits(self) -> bool:
        """Whether the target declares the edge, because it waits for the origin."""
        return self.kind is ReferenceKind.FLOW_TRIGGER


@dataclass(frozen=True)
class Graph:
    """Flows and edges, each sorted and there once."""

    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[Edge, ...] = ()

    @property
    def connected(self) -> tuple[GraphNode, ...]:
        """The flows that have an edge."""
        ends = {end for edge in self.edges for end in (edge.origin, edge.target)}
        return tuple(node for node in self.nodes if node.flow_id in ends)


@dataclass(frozen=True)
class Source:
    """A flow of the graph, with its source."""

    flow_id: FlowId
    data: bytes
    path: str | None = None
    place: NodeLocation = field(default=NodeLocation.GIT)


def build_graph(sources: Iterable[Source], marks: Mapping[FlowId, NodeMark] | None = None) -> Graph:
    """Build the graph of ``sources`` and everything that they refer to.

    A source that cannot be parsed becomes a flow without references.
    """
    marks = marks or {}
    nodes: dict[FlowId, GraphNode] = {}
    edges: set[Edge] = set()
    targets: dict[FlowId, NodeLocation] = {}
    for source in sources:
        flow_id = source.flow_id
        nodes[flow_id] = GraphNode(flow_id, source.place, source.path, marks.get(flow_id))
        parsed = parse_source(source.data)
        if not isinstance(parsed, ParsedDocument):
            continue
        for each in parsed.references:
            ends = (flow_id, each.target)
            if each.kind is ReferenceKind.FLOW_TRIGGER:
                ends = (each.target, flow_id)
            edges.add(Edge(*ends, each.kind))
            targets[each.target] = (
                NodeLocation.ELSEWHERE if each.resolvable else NodeLocation.COMPUTED
            )
    for target, place in targets.items():
        nodes.setdefault(target, GraphNode(target, place, mark=marks.get(target)))
    return Graph(tuple(nodes[key] for key in sorted(nodes)), tuple(sorted(edges)))


def marks_of(changes: Iterable[Change]) -> dict[FlowId, NodeMark]:
    """Return what a plan does to its flows; both sides of a move are marked."""
    marks = {}
    for each in single_writes(changes):
        if each.flow_id.kind is not Kind.FLOW:
            continue
        alert = each.reason.traits.alert
        marks[each.flow_id] = NodeMark(str(each.action)) if alert is None else NodeMark.DRIFT
    return marks


def sources_of(
    git: Iterable[tuple[FlowId, bytes, str]], changes: Iterable[Change] = ()
) -> list[Source]:
    """Return the flows in Git, and flows that a plan deletes, with their source on the server."""
    found = {
        flow_id: Source(flow_id, data, path)
        for flow_id, data, path in git
    }  # fmt: skip
    for each in single_writes(changes):
        is_flow = each.flow_id.kind is Kind.FLOW
        if is_flow and each.after is None and each.before is not None:
            deleted = Source(each.flow_id, in_memory(each.before), place=NodeLocation.ELSEWHERE)
            found.setdefault(each.flow_id, deleted)
    return list(found.values())


def around(graph: Graph, centres: Collection[FlowId]) -> Graph:
    """Return the part of ``graph`` with ``centres`` and the flows that share an edge with them."""
    selected = set(centres)
    edges = tuple(each for each in graph.edges if selected & {each.origin, each.target})
    ends = {end for edge in edges for end in (edge.origin, edge.target)}
    return replace(
        graph,
        nodes=tuple(each for each in graph.nodes if each.flow_id in selected | ends),
        edges=edges,
    )


def related(sources: Iterable[Source], centres: Collection[FlowId]) -> list[Source]:
    """Return the ``sources`` that may share an edge with ``centres``, without parsing them."""
    names = {each.id.encode() for each in centres}
    return [
        each
        for each in sources
        if each.flow_id in centres or any(name in each.data for name in names)
    ]


def neighbours(graph: Graph) -> dict[FlowId, tuple[Edge, ...]]:
    """Return the outgoing edges of each flow, sorted."""
    found: dict[FlowId, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        found[edge.origin].append(edge)
    return {origin: tuple(edges) for origin, edges in found.items()}
