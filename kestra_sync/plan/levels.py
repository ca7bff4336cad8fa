"""Sorts the writes of a plan into levels, by what the new sources call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kestra_sync.model import Action, Change, FlowId, Kind, ResourceId
from kestra_sync.plan.order import order, turned
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_source
from kestra_sync.repo.references import ReferenceKind, references


def callers(
    doomed: Iterable[FlowId], remaining: Iterable[tuple[FlowId, bytes]]
) -> dict[FlowId, tuple[FlowId, ...]]:
    """For each of ``doomed`` the remaining flows that run it, sorted.

    A flow that only waits for it by a trigger keeps working: it is no longer triggered.

    :param remaining: every flow that stays, with the source it will have.
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


def levels(changes: Iterable[Change]) -> Levels:
    """What is called is written before what calls it; what calls is deleted before its callee."""
    writes = {each.flow_id: each for each in single_writes(changes)}
    flows = {key: each for key, each in writes.items() if key.kind is Kind.FLOW}
    deletes = [flow_id for flow_id, each in flows.items() if each.action is Action.DELETE]
    others = [flow_id for flow_id in flows if flows[flow_id].action is not Action.DELETE]
    up = order(others, {each: calls(writes[each].after) for each in others})
    down = order(deletes, {each: calls(writes[each].before) for each in deletes})
    stages = (
        _beside(writes, deletions=False),
        _stage(writes, up.levels, up.waits),
        _stage(writes, tuple(reversed(down.levels)), turned(down.waits)),
        _beside(writes, deletions=True),
    )
    return Levels(tuple(each for each in stages if each.levels), (*up.cycles, *down.cycles))


def _beside(writes: Mapping[ResourceId, Change], *, deletions: bool) -> Stage:
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
        for each in references(parsed)
        if each.resolvable and (triggers or each.kind is not ReferenceKind.FLOW_TRIGGER)
    )
