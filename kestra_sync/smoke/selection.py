"""Selects the tests to run after an apply: those whose flow may behave differently."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kestra_sync.model import Flow, FlowId
from kestra_sync.repo.document import ParsedDocument, ReferenceKind
from kestra_sync.repo.load import parse_flow
from kestra_sync.smoke.spec import SmokeSpec, When

Calls = Mapping[FlowId, tuple[FlowId, ...]]


def is_due(spec: SmokeSpec, written: Collection[FlowId], calls: Calls) -> bool:
    """Whether the flow of ``spec``, or anything it calls or reads, was written."""
    return spec.when is When.ALWAYS or not _reached(spec.flow, calls).isdisjoint(written)


def calls_any(spec: SmokeSpec, updated: Collection[FlowId], calls: Calls) -> bool:
    """Whether the flow of ``spec`` calls any of these flows, directly or indirectly."""
    return not (_reached(spec.flow, calls) - {spec.flow}).isdisjoint(updated)


def _reached(start: FlowId, calls: Calls) -> set[FlowId]:
    reached = {start}
    pending = [start]
    while pending:
        for target in calls.get(pending.pop(), ()):
            if target not in reached:
                reached.add(target)
                pending.append(target)
    return reached


def calls_from(
    specs: Iterable[SmokeSpec], flows: Mapping[FlowId, Flow]
) -> dict[FlowId, tuple[FlowId, ...]]:
    """Return the call graph reachable from the flows of ``specs``; other flows are not parsed.

    Targets that are computed at run time are left out.
    """
    found: dict[FlowId, tuple[FlowId, ...]] = {}
    pending = [spec.flow for spec in specs]
    while pending:
        flow_id = pending.pop()
        if flow_id not in found:
            flow = flows.get(flow_id)
            found[flow_id] = () if flow is None else _called(flow)
            pending.extend(found[flow_id])
    return found


def _called(flow: Flow) -> tuple[FlowId, ...]:
    parsed = parse_flow(flow)
    if not isinstance(parsed, ParsedDocument):
        return ()
    # A flow does not call the flows that its triggers wait for.
    return tuple(
        each.target
        for each in parsed.references
        if each.resolvable and each.kind is not ReferenceKind.FLOW_TRIGGER
    )
