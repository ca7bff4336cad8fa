"""A graph as a self-contained SVG, in light and dark mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from kestra_sync.model import FlowId
from kestra_sync.plan.graph import Graph, NodeLocation, NodeMark
from kestra_sync.repo.document import ReferenceKind
from kestra_sync.report.graph_layout import HEIGHT, Box, Route, layout
from kestra_sync.safe.text import visible

_STYLE = """
  .graph{--ink:#1f2328;--soft:#59636e;--box:#f6f8fa;--line:#d1d9e0;
    --create:#1a7f37;--create-box:#dafbe1;--update:#9a6700;--update-box:#fff8c5;
    --delete:#cf222e;--delete-box:#ffebe9;--drift:#8250df;--drift-box:#fbefff}
  @media (prefers-color-scheme:dark){.graph{
    --ink:#f0f6fc;--soft:#9198a1;--box:#151b23;--line:#3d444d;
    --create:#3fb950;--create-box:#12261e;--update:#d29922;--update-box:#272115;
    --delete:#f85149;--delete-box:#25171c;--drift:#ab7df8;--drift-box:#1f1a2e}}
"""
#: The HTML report uses the same words, with its own colors.
SHAPES = """
  .graph text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:var(--ink)}
  .graph rect{fill:var(--box);stroke:var(--line)}
  .graph path{fill:none;stroke:var(--soft);stroke-width:1.3}
  .graph marker path{fill:var(--soft);stroke:none}
  .graph .waits{stroke-dasharray:5 4}
  .graph .each{stroke-width:2.2}
  .graph .elsewhere rect,.graph .delete rect{stroke-dasharray:4 3}
  .graph .elsewhere text{fill:var(--soft)}
  .graph .create rect{fill:var(--create-box);stroke:var(--create)}
  .graph .update rect{fill:var(--update-box);stroke:var(--update)}
  .graph .delete rect{fill:var(--delete-box);stroke:var(--delete)}
  .graph .drift rect{fill:var(--drift-box);stroke:var(--drift)}
"""
_SIGNS = {NodeMark.CREATE: "+", NodeMark.UPDATE: "~", NodeMark.DELETE: "−", NodeMark.DRIFT: "!"}
_WORDS = {
    NodeMark.CREATE: "will be created",
    NodeMark.UPDATE: "will be updated",
    NodeMark.DELETE: "will be deleted",
    NodeMark.DRIFT: "was edited on the server",
}
_EDGES = {
    ReferenceKind.SUBFLOW: "calls",
    ReferenceKind.FOR_EACH_ITEM: "calls for each item",
    ReferenceKind.FLOW_TRIGGER: "triggers",
}


def svg(
    graph: Graph,
    *,
    standalone: bool = True,
    address: Callable[[FlowId], str | None] = lambda _flow: None,
) -> str:
    """The drawing, with a newline at its end.

    :param standalone: include the style; otherwise that of the surrounding page is used.
    :param address: returns the link target of a flow; ``None`` for no link.
    """
    return "".join(f"{each}\n" for each in _lines(graph, standalone, address))


def _lines(
    graph: Graph, standalone: bool, address: Callable[[FlowId], str | None]
) -> Iterator[str]:
    drawn = layout(graph)
    width, height = round(drawn.width), round(drawn.height)
    what = f"{len(graph.nodes)} flows and {len(graph.edges)} references between them"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" aria-label="{what}"'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    if standalone:
        yield f"<style>{_STYLE}{SHAPES}</style>"
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9"'
        ' markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    for way in drawn.ways:
        yield _path(way)
    for box in drawn.boxes:
        yield _box(box, address(box.node.flow_id))
    yield "</svg>"


def _path(way: Route) -> str:
    kinds = {ReferenceKind.FLOW_TRIGGER: "waits", ReferenceKind.FOR_EACH_ITEM: "each"}
    kind = kinds.get(way.edge.kind, "call")
    words = f"{way.edge.origin} {_EDGES[way.edge.kind]} {way.edge.target}"
    (x, y), *others = way.points
    steps = [f"M{x:.0f} {y:.0f}"]
    for next_x, next_y in others:
        if next_y == y:
            steps.append(f"H{next_x:.0f}")
        else:
            middle = (x + next_x) / 2
            steps.append(
                f"C{middle:.0f} {y:.0f} {middle:.0f} {next_y:.0f} {next_x:.0f} {next_y:.0f}"
            )
        x, y = next_x, next_y
    title = escape(visible(words))
    return (
        f'<path class="{kind}" d="{"".join(steps)}" marker-end="url(#arrow)">'
        f"<title>{title}</title></path>"
    )


def _box(box: Box, address: str | None) -> str:
    node = box.node
    name = escape(visible(str(node.flow_id)))
    kind = str(node.mark) if node.mark else ("" if node.place is NodeLocation.GIT else "elsewhere")
    title = [visible(str(node.flow_id))]
    if node.mark is not None:
        title.append(_WORDS[node.mark])
    elif node.place is not NodeLocation.GIT:
        computed = node.place is NodeLocation.COMPUTED
        title.append("only known at run time" if computed else "not in the files")
    if node.path:
        title.append(visible(node.path))
    sign = f"{_SIGNS[node.mark]} " if node.mark else ""
    inner = (
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{box.x + box.width / 2:.0f}" y="{box.middle + 4:.0f}" text-anchor="middle">'
        f"{sign}{name}</text>"
    )
    group = f'<g class="node {kind}"><title>{escape(", ".join(title))}</title>{inner}</g>'
    return f'<a href="{escape(address)}">{group}</a>' if address else group
