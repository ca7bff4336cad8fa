"""The order of writes: subflows before their callers, deletions in reverse.

Writes that do not depend on each other, according to the calls in the new sources, share a level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kestra_sync.model import Action, Change, FlowId, Kind, ResourceId
from kestra_sync.repo.document import ParsedDocument, ReferenceKind
from kestra_sync.repo.load import parse_source
from kestra_sync.resources import Content, in_memory


@dataclass(frozen=True)
class Order:
    """Flows in levels: those of one level do not call each other and can be written in parallel.

    :param levels: sorted; the first level calls no other flow that is written.
    :param waits: flow → the flows of lower levels that it calls directly, sorted.
    :param cycles: groups of flows that call each other, which Kestra allows.
    """

    levels: tuple[tuple[FlowId, ...], ...]
    waits: Mapping[FlowId, tuple[FlowId, ...]]
    cycles: tuple[tuple[FlowId, ...], ...]


def order(flows: Iterable[FlowId], calls: Mapping[FlowId, Sequence[FlowId]]) -> Order:
    """Sort ``flows`` so that each comes after the flows that it calls.

    :param calls: flow → the flows that it calls; those not in ``flows`` are ignored.
    """
    included = set(flows)
    graph = {
        flow: sorted(
            {other for other in calls.get(flow, ()) if other in included and other != flow}
        )
        for flow in sorted(included)
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


def inverted(waits: Mapping[FlowId, Iterable[FlowId]]) -> dict[FlowId, tuple[FlowId, ...]]:
    """Invert ``waits``: flow → the flows that wait for it. All flows must be keys."""
    found: dict[FlowId, list[FlowId]] = {flow: [] for flow in waits}
    for flow, others in waits.items():
        for other in others:
            found[other].append(flow)
    return {flow: tuple(others) for flow, others in found.items()}


def _strong_components(graph: Mapping[FlowId, Sequence[FlowId]]) -> list[list[FlowId]]:
    """Tarjan's algorithm, not recursive: chains of calls may be thousands long."""
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


def callers(
    doomed: Iterable[FlowId], remaining: Iterable[tuple[FlowId, bytes]]
) -> dict[FlowId, tuple[FlowId, ...]]:
    """Return the remaining flows that run each of ``doomed``, sorted.

    A flow that only waits for it with a trigger still works: it is just no longer triggered.

    :param remaining: every flow that is not deleted, with its future source.
    """
    targets = set(doomed)
    names = {flow_id.id.encode() for flow_id in targets}
    found: dict[FlowId, set[FlowId]] = defaultdict(set)
    for flow_id, source in remaining:
        # Parsing is dear, and a source that does not hold the name cannot call it.
        if flow_id in targets or not any(name in source for name in names):
            continue
        for target in calls(source, triggers=False):
            if target in targets:
                found[target].add(flow_id)
    return {target: tuple(sorted(by)) for target, by in found.items()}


@dataclass(frozen=True)
class Stage:
    """Writes of one kind, which begin when those of the stage before are done.

    :param levels: what is in one level does not wait for each other.
    :param waits: for each flow the flows of lower levels that it waits for.
    """

    levels: tuple[tuple[Change, ...], ...]
    waits: Mapping[FlowId, tuple[FlowId, ...]]


@dataclass(frozen=True)
class Levels:
    """The writes of a plan: creations and updates first, deletions last.

    What flows may read comes before the flows, and goes after them.

    :param cycles: flows that call each other; no order fits, so they go in one level.
    """

    stages: tuple[Stage, ...]
    cycles: tuple[tuple[FlowId, ...], ...]

    @property
    def levels(self) -> tuple[tuple[Change, ...], ...]:
        """Those of all stages, in order."""
        return tuple(level for stage in self.stages for level in stage.levels)


def _text(source: Content | None) -> bytes | None:
    return None if source is None else in_memory(source)


def levels(changes: Iterable[Change]) -> Levels:
    """What is called is written before what calls it; what calls is deleted before its callee."""
    writes = {each.flow_id: each for each in single_writes(changes)}
    flows = {key: each for key, each in writes.items() if key.kind is Kind.FLOW}
    deletes = [flow_id for flow_id, each in flows.items() if each.action is Action.DELETE]
    others = [flow_id for flow_id in flows if flows[flow_id].action is not Action.DELETE]
    up = order(others, {each: calls(_text(writes[each].after)) for each in others})
    down = order(deletes, {each: calls(_text(writes[each].before)) for each in deletes})
    stages = (
        _other_kinds(writes, deletions=False),
        _stage(writes, up.levels, up.waits),
        _stage(writes, tuple(reversed(down.levels)), inverted(down.waits)),
        _other_kinds(writes, deletions=True),
    )
    return Levels(tuple(each for each in stages if each.levels), (*up.cycles, *down.cycles))


def _other_kinds(writes: Mapping[ResourceId, Change], *, deletions: bool) -> Stage:
    """The writes of what is not a flow: none of them waits for another."""
    found = tuple(
        writes[key]
        for key in sorted(writes)
        if key.kind is not Kind.FLOW and (writes[key].action is Action.DELETE) is deletions
    )
    return Stage((found,) if found else (), {each.flow_id: () for each in found})


def _stage(
    writes: Mapping[FlowId, Change],
    sorted_levels: tuple[tuple[FlowId, ...], ...],
    waits: Mapping[FlowId, tuple[FlowId, ...]],
) -> Stage:
    return Stage(
        tuple(tuple(writes[flow_id] for flow_id in level) for level in sorted_levels), waits
    )


def single_writes(changes: Iterable[Change]) -> Iterator[Change]:
    """The writes one by one: a move is a creation, and later a deletion."""
    for each in changes:
        if each.moved_from is not None:
            yield replace(each, action=Action.CREATE, moved_from=None)
            yield each.moved_from
        elif each.writes:
            yield each


def calls(source: bytes | None, *, triggers: bool = True) -> tuple[FlowId, ...]:
    """The flows that ``source`` refers to, as far as known before it runs.

    :param triggers: those it waits for by a Flow trigger as well, not only those it runs.
    """
    parsed = parse_source(source) if source is not None else None
    if not isinstance(parsed, ParsedDocument):
        return ()
    return tuple(
        each.target
        for each in parsed.references
        if each.resolvable and (triggers or each.kind is not ReferenceKind.FLOW_TRIGGER)
    )
