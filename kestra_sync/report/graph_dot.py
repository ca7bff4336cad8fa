"""A graph in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.plan.graph import Edge, Graph, GraphNode, NodeLocation, NodeMark
from kestra_sync.repo.document import ReferenceKind
from kestra_sync.safe.text import visible

_COLOURS = {
    NodeMark.CREATE: ("#1a7f37", "#dafbe1"),
    NodeMark.UPDATE: ("#9a6700", "#fff8c5"),
    NodeMark.DELETE: ("#cf222e", "#ffebe9"),
    NodeMark.DRIFT: ("#8250df", "#fbefff"),
}


def dot(graph: Graph) -> str:
    """The whole file."""
    return "".join(f"{each}\n" for each in _lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    yield "digraph flows {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, style="rounded,filled", fillcolor="#f6f8fa", color="#59636e",'
    yield '        fontname="monospace", fontsize=11];'
    yield '  edge [color="#59636e", fontname="monospace", fontsize=9];'
    for node in graph.nodes:
        yield f"  {quoted(str(node.flow_id))}{_node(node)};"
    for edge in graph.edges:
        yield f"  {quoted(str(edge.origin))} -> {quoted(str(edge.target))}{_edge(edge)};"
    yield "}"


def quoted(text: str) -> str:
    """``text`` as a string of the language, escapes of labels (``\\N``) disarmed."""
    return '"' + visible(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _node(node: GraphNode) -> str:
    given = []
    if node.mark is not None:
        border, fill = _COLOURS[node.mark]
        given += [f'color="{border}"', f'fillcolor="{fill}"']
        given.append(f'tooltip="{node.mark}"')
    if node.place is not NodeLocation.GIT:
        given.append('style="rounded,filled,dashed"')
    return f" [{', '.join(given)}]" if given else ""


def _edge(edge: Edge) -> str:
    if edge.waits:
        return ' [style=dashed, label="trigger"]'
    return ' [label="each"]' if edge.kind is ReferenceKind.FOR_EACH_ITEM else ""
