"""The layout of a graph: in columns, callers left of the flows they call.

A simplified Sugiyama layout: longest paths determine the columns, cycles are cut where a traversal
meets them, edges that span columns get a slot in each, and a few sweeps move items close to their
neighbors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kestra_sync.model import FlowId
from kestra_sync.plan.graph import Edge, Graph, GraphNode

HEIGHT = 30
_ROW = 44
_GAP = 70
_MARGIN = 16
_CHARACTER = 7.3
_PADDING = 22
_SWEEPS = 6

#: A box is a flow; an integer is the slot of an edge that passes.
_Item = FlowId | int


@dataclass(frozen=True)
class Box:
    """A flow and its position; ``x`` and ``y`` are its upper left corner."""

    node: GraphNode
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        """The height at which edges meet it."""
        return self.y + HEIGHT / 2


@dataclass(frozen=True)
class Route:
    """An edge and the points it goes through."""

    edge: Edge
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """A drawing and its size."""

    boxes: tuple[Box, ...]
    ways: tuple[Route, ...]
    width: float
    height: float


def layout(graph: Graph) -> Layout:
    """Connected flows in columns, the others in rows below them."""
    connected = graph.connected
    columns, passing = _columns(connected, graph.edges)
    widths = [
        max((_width(item) for item in column if isinstance(item, FlowId)), default=_PADDING)
        for column in columns
    ]
    lefts = [_MARGIN + sum(widths[:index]) + _GAP * index for index in range(len(columns))]
    tallest = max((len(column) for column in columns), default=0)
    places: dict[_Item, tuple[float, float]] = {}
    for column, left in zip(columns, lefts, strict=True):
        shift = (tallest - len(column)) * _ROW / 2
        for row, item in enumerate(column):
            places[item] = (left, _MARGIN + shift + row * _ROW)
    width_of = {
        item: widths[number]
        for number, column in enumerate(columns)
        for item in column
        if isinstance(item, FlowId)
    }
    boxes = {
        node.flow_id: Box(node, *places[node.flow_id], width_of[node.flow_id]) for node in connected
    }
    width_at = dict(zip(lefts, widths, strict=True))
    ways = tuple(_way(edge, boxes, passing[edge], places, width_at) for edge in graph.edges)
    right = max((box.x + box.width for box in boxes.values()), default=0.0)
    bottom = float(_MARGIN + tallest * _ROW)
    alone = [node for node in graph.nodes if node.flow_id not in boxes]
    rest, right, bottom = _rows(alone, max(right, 720.0), bottom + _MARGIN if boxes else _MARGIN)
    return Layout(
        (*boxes.values(), *rest),
        ways,
        max(right, *(box.x + box.width for box in boxes.values())) + _MARGIN if boxes else right,
        bottom + _MARGIN - (_ROW - HEIGHT),
    )


def _width(flow_id: FlowId) -> float:
    return len(str(flow_id)) * _CHARACTER + _PADDING


def _columns(
    nodes: Sequence[GraphNode], edges: Sequence[Edge]
) -> tuple[list[list[_Item]], dict[Edge, tuple[int, ...]]]:
    """Return the columns from left to right, and the slots of long edges."""
    after: dict[FlowId, list[FlowId]] = {node.flow_id: [] for node in nodes}
    for edge in edges:
        if edge.target not in after[edge.origin]:
            after[edge.origin].append(edge.target)
    depth = _depths(_without_cycles(after))
    columns: list[list[_Item]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        columns[depth[node.flow_id]].append(node.flow_id)
    links: dict[_Item, list[_Item]] = defaultdict(list)
    passing: dict[Edge, tuple[int, ...]] = {}
    number = 0
    for edge in edges:
        first, last = sorted((depth[edge.origin], depth[edge.target]))
        ends = (edge.origin, edge.target)
        if depth[edge.origin] > depth[edge.target]:
            ends = (edge.target, edge.origin)
        chain: list[_Item] = [ends[0]]
        for column in range(first + 1, last):
            columns[column].append(number)
            chain.append(number)
            number += 1
        chain.append(ends[1])
        passing[edge] = tuple(item for item in chain if isinstance(item, int))
        for left, right in pairwise(chain):
            links[left].append(right)
            links[right].append(left)
    _sweep(columns, links)
    return columns, passing


def _without_cycles(after: Mapping[FlowId, Sequence[FlowId]]) -> dict[FlowId, list[FlowId]]:
    """Return ``after`` without back edges."""
    kept: dict[FlowId, list[FlowId]] = {flow: [] for flow in after}
    done: set[FlowId] = set()
    on_path: set[FlowId] = set()
    for root in after:
        work = [(root, 0)] if root not in done else []
        on_path.add(root)
        while work:
            flow, position = work.pop()
            if position == len(after[flow]):
                on_path.discard(flow)
                done.add(flow)
                continue
            work.append((flow, position + 1))
            target = after[flow][position]
            if target in on_path:
                continue
            kept[flow].append(target)
            if target not in done:
                on_path.add(target)
                work.append((target, 0))
        on_path.discard(root)
    return kept


def _depths(after: Mapping[FlowId, Sequence[FlowId]]) -> dict[FlowId, int]:
    """The length of the longest path to each flow. There are no cycles."""
    waiting = dict.fromkeys(after, 0)
    for targets in after.values():
        for target in targets:
            waiting[target] += 1
    depth = dict.fromkeys(after, 0)
    ready = [flow for flow, number in waiting.items() if not number]
    while ready:
        flow = ready.pop()
        for target in after[flow]:
            depth[target] = max(depth[target], depth[flow] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return depth


def _sweep(columns: list[list[_Item]], links: Mapping[_Item, Sequence[_Item]]) -> None:
    """Sort each column by the positions of its neighbors, from both sides in turn."""
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        order = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for index in order:
            neighbor = columns[index - 1 if forward else index + 1]
            row = {item: float(number) for number, item in enumerate(neighbor)}
            own = {item: float(number) for number, item in enumerate(columns[index])}

            def near(
                item: _Item, row: Mapping[_Item, float] = row, own: Mapping[_Item, float] = own
            ) -> float:
                found = [row[other] for other in links[item] if other in row]
                return sum(found) / len(found) if found else own[item]

            columns[index].sort(key=near)


def _way(
    edge: Edge,
    boxes: Mapping[FlowId, Box],
    passing: Sequence[int],
    places: Mapping[_Item, tuple[float, float]],
    widths: Mapping[float, float],
) -> Route:
    start, end = boxes[edge.origin], boxes[edge.target]
    back = start.x >= end.x
    middles = []
    for number in passing:
        x, y = places[number]
        # In and out of the column at one height, so that it crosses no box.
        middles += [(x, y + HEIGHT / 2), (x + widths[x], y + HEIGHT / 2)]
    if back:
        middles.reverse()
    first = (start.x if back else start.x + start.width, start.middle)
    last = (end.x + end.width if back else end.x, end.middle)
    return Route(edge, (first, *middles, last))


def _rows(alone: Sequence[GraphNode], room: float, top: float) -> tuple[list[Box], float, float]:
    """Place the flows without references in rows; return their right and lower edges."""
    boxes = []
    x, y, right = float(_MARGIN), top, float(_MARGIN)
    for node in alone:
        width = _width(node.flow_id)
        if x > _MARGIN and x + width > room:
            x, y = float(_MARGIN), y + _ROW
        boxes.append(Box(node, x, y, width))
        x += width + _MARGIN
        right = max(right, x)
    return boxes, right, y + _ROW if boxes else top
