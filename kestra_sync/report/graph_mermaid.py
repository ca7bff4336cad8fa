"""A graph as Mermaid, which GitHub and GitLab render."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kestra_sync.plan.graph import Edge, Graph, GraphNode, NodeLocation
from kestra_sync.repo.document import ReferenceKind
from kestra_sync.safe.text import visible

_OTHER = re.compile(r"[^A-Za-z0-9 ._/()-]")

# Readable on white and on black: dark text on light fills, with borders of the same hue.
_CLASSES = {
    "create": "fill:#dafbe1,stroke:#1a7f37,color:#0b3d1a",
    "update": "fill:#fff8c5,stroke:#9a6700,color:#4d3300",
    "delete": "fill:#ffebe9,stroke:#cf222e,color:#6b1119,stroke-dasharray:4 3",
    "drift": "fill:#fbefff,stroke:#8250df,color:#3c1d78",
    "elsewhere": "stroke-dasharray:4 3",
}


def mermaid(graph: Graph) -> str:
    """The whole drawing, with a newline at its end."""
    return "".join(f"{each}\n" for each in _lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    names = {node.flow_id: f"n{number}" for number, node in enumerate(graph.nodes)}
    used = set()
    for node in graph.nodes:
        kind = _class(node)
        used.add(kind)
        suffix = f":::{kind}" if kind else ""
        yield f'  {names[node.flow_id]}["{label(_text(node))}"]{suffix}'
    for edge in graph.edges:
        yield f"  {names[edge.origin]} {_arrow(edge)} {names[edge.target]}"
    for kind, style in _CLASSES.items():
        if kind in used:
            yield f"  classDef {kind} {style}"


def label(text: str) -> str:
    """Escape ``text`` for a quoted label: all but safe characters become numeric entities."""
    return _OTHER.sub(lambda match: f"#{ord(match.group())};", visible(text))


def _text(node: GraphNode) -> str:
    # Not in front of the name: Mermaid would parse "- " as a list, and fail.
    return f"{node.flow_id} ({node.mark})" if node.mark else str(node.flow_id)


def _class(node: GraphNode) -> str:
    if node.mark is not None:
        return str(node.mark)
    return "" if node.place is NodeLocation.GIT else "elsewhere"


def _arrow(edge: Edge) -> str:
    if edge.waits:
        return "-. trigger .->"
    return "-- each -->" if edge.kind is ReferenceKind.FOR_EACH_ITEM else "-->"
