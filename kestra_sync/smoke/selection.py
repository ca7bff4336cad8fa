"""Which tests have to run after an apply: those whose flow may behave differently now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kestra_sync.model import Flow, FlowId
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_flow
from kestra_sync.repo.references import ReferenceKind, references
from kestra_sync.smoke.spec import SmokeSpec, When

Calls = Mapping[FlowId, tuple[FlowId, ...]]


def is_due(spec: SmokeSpec, written: Collection[FlowId], calls: Calls) -> bool:
    """Whether the flow of ``spec``, or anything it calls, was written."""
    return spec.when is When.ALWAYS or not _reached(spec.flow, calls).isdisjoint(written)


def _reached(start: FlowId, calls: Calls) -> set[FlowId]:
    reached = {start}
    pending = [start]
    while pending:
        for target in calls.get(pending.pop(), ()):
            if target not in reached:
                reached.add(target)
                pending.append(target)
    return reached


def calls_of(flows: Iterable[Flow]) -> dict[FlowId, tuple[FlowId, ...]]:
    """Which flows each of these calls; computed targets are not known and left out."""
    found = {}
    for flow in flows:
        parsed = parse_flow(flow)
        if isinstance(parsed, ParsedDocument):
            # What a flow waits for in a trigger it does not call.
            found[flow.flow_id] = tuple(
                each.target
                for each in references(parsed)
                if each.resolvable and each.kind is not ReferenceKind.FLOW_TRIGGER
            )
    return found
