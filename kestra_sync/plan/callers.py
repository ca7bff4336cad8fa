"""Finds flows that still call a flow to delete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kestra_sync.model import FlowId
from kestra_sync.plan.levels import calls


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
