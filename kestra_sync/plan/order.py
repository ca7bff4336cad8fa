"""The order of writes: subflows before their callers, deletions in reverse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kestra_sync.model import FlowId


@dataclass(frozen=True)
class Order:
    """Flows in levels: those of one level do not call each other and can go in parallel.

    :param levels: the first level calls nothing that is written; sorted within.
    :param waits: for each flow those of lower levels that it calls itself, sorted.
    :param cycles: groups of flows that call each other; legal in Kestra, but no order fits.
    """

    levels: tuple[tuple[FlowId, ...], ...]
    waits: Mapping[FlowId, tuple[FlowId, ...]]
    cycles: tuple[tuple[FlowId, ...], ...]


def order(flows: Iterable[FlowId], calls: Mapping[FlowId, Sequence[FlowId]]) -> Order:
    """Sort ``flows`` so that each comes after those it calls.

    :param calls: for each flow the flows it calls; those not among ``flows`` do not matter.
    """
    wanted = set(flows)
    graph = {
        flow: sorted({other for other in calls.get(flow, ()) if other in wanted and other != flow})
        for flow in sorted(wanted)
    }
    components = _strong_components(graph)
    component_of = {flow: number for number, group in enumerate(components) for flow in group}
    depth: list[int] = []
    # Tarjan yields a component after everything it calls, so depths are known when needed.
    for number, group in enumerate(components):
        below = {component_of[other] for flow in group for other in graph[flow]} - {number}
        depth.append(1 + max((depth[other] for other in below), default=-1))
    levels: list[list[FlowId]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for number, group in enumerate(components):
        levels[depth[number]].extend(group)
    cycles = tuple(sorted(tuple(sorted(group)) for group in components if len(group) > 1))
    waits = {
        flow: tuple(other for other in others if component_of[other] != component_of[flow])
        for flow, others in graph.items()
    }
    return Order(tuple(tuple(sorted(level)) for level in levels), waits, cycles)


def turned(waits: Mapping[FlowId, Iterable[FlowId]]) -> dict[FlowId, tuple[FlowId, ...]]:
    """For each flow of ``waits`` those that wait for it, which must be keys as well."""
    found: dict[FlowId, list[FlowId]] = {flow: [] for flow in waits}
    for flow, others in waits.items():
        for other in others:
            found[other].append(flow)
    return {flow: tuple(others) for flow, others in found.items()}


def _strong_components(graph: Mapping[FlowId, Sequence[FlowId]]) -> list[list[FlowId]]:
    """Tarjan's algorithm, with a stack of its own: chains of calls may be thousands long."""
    index: dict[FlowId, int] = {}
    low: dict[FlowId, int] = {}
    on_path: set[FlowId] = set()
    path: list[FlowId] = []
    components: list[list[FlowId]] = []
    for root in graph:
        if root in index:
            continue
        work: list[tuple[FlowId, int]] = [(root, 0)]
        while work:
            flow, position = work.pop()
            if position == 0:
                index[flow] = low[flow] = len(index)
                path.append(flow)
                on_path.add(flow)
            for offset, other in enumerate(graph[flow][position:], start=position):
                if other not in index:
                    work.append((flow, offset + 1))
                    work.append((other, 0))
                    break
                if other in on_path:
                    low[flow] = min(low[flow], index[other])
            else:
                if low[flow] == index[flow]:
                    cut = path.index(flow)
                    components.append(path[cut:])
                    on_path.difference_update(path[cut:])
                    del path[cut:]
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[flow])
    return components
