"""A graph as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.model import FlowId, plural
from kestra_sync.plan.graph import Graph, GraphNode, NodeLocation, NodeMark, neighbours
from kestra_sync.repo.document import ReferenceKind
from kestra_sync.report.lines import BLANK, Line, Span, Style, line

_SIGNS = {
    NodeMark.CREATE: ("+", Style.CREATE),
    NodeMark.UPDATE: ("~", Style.UPDATE),
    NodeMark.DELETE: ("-", Style.DELETE),
    NodeMark.DRIFT: ("!", Style.ALERT),
}
_WORDS = {
    ReferenceKind.SUBFLOW: "calls",
    ReferenceKind.FOR_EACH_ITEM: "calls for each item",
    ReferenceKind.FLOW_TRIGGER: "triggers",
}


def graph_lines(graph: Graph) -> Iterator[Line]:
    """List each flow that runs others with its targets, then count the unconnected flows."""
    nodes = {node.flow_id: node for node in graph.nodes}
    for origin, edges in neighbours(graph).items():
        yield _node_line(nodes[origin], "")
        for edge in edges:
            yield _node_line(nodes[edge.target], f"    {_WORDS[edge.kind]} ")
    connected = {node.flow_id for node in graph.connected}
    alone = [node for node in graph.nodes if node.flow_id not in connected]
    marked = [node for node in alone if node.mark is not None]
    if graph.edges:
        yield BLANK
    for node in marked:
        yield _node_line(node, "")
    if alone:
        yield line(Span(f"{plural(len(alone), 'flow')} without references", Style.DIM))
    yield line(
        f"{plural(len(graph.nodes), 'flow')}, {plural(len(graph.edges), 'reference')} between them."
    )


def graph_json(graph: Graph) -> dict[str, Any]:
    """Return ``nodes`` and ``edges``; an edge points from the caller to what it runs."""
    return {
        "nodes": [
            {
                "flow": _flow(node.flow_id),
                "place": str(node.place),
                "path": node.path,
                "change": None if node.mark is None else str(node.mark),
            }
            for node in graph.nodes
        ],
        "edges": [
            {
                "from": _flow(edge.origin),
                "to": _flow(edge.target),
                "kind": str(edge.kind),
            }
            for edge in graph.edges
        ],
    }


def _flow(flow_id: FlowId) -> dict[str, str]:
    return {"namespace": flow_id.namespace, "id": flow_id.id}


def _node_line(node: GraphNode, before: str) -> Line:
    sign, style = _SIGNS[node.mark] if node.mark else ("", Style.PLAIN)
    where = {
        NodeLocation.GIT: "",
        NodeLocation.ELSEWHERE: "   not in the files",
        NodeLocation.COMPUTED: "",
    }
    note = "" if node.mark is NodeMark.DELETE else where[node.place]
    return line(
        Span(before, Style.DIM),
        Span(f"{sign} " if sign else "", style),
        str(node.flow_id),
        Span(note, Style.DIM),
    )
