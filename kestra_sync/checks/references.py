"""Flows that call flows: each target must be somewhere, in the files or on the server.

Kestra itself only warns, only for top-level ``Subflow`` tasks, and warns for every reference
inside a first deploy (``docs/kestra-api.md``, "Missing subflows"). So its warning is replaced by
this check, which sees nested tasks and knows what is about to be deployed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kestra_sync.model import Desired, Diagnostic, FlowId, Scope, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_flow
from kestra_sync.repo.references import Reference, ReferenceKind, references


@dataclass(frozen=True)
class Dangling:
    """A reference whose target is not among the flows that are known so far."""

    desired: Desired
    reference: Reference


def dangling(desired: Iterable[Desired], known: Collection[FlowId]) -> tuple[Dangling, ...]:
    """The references of ``desired`` to flows that are not ``known``."""
    found: list[Dangling] = []
    for each in desired:
        parsed = parse_flow(each.flow)
        if not isinstance(parsed, ParsedDocument):
            continue
        found.extend(
            Dangling(each, reference)
            for reference in references(parsed)
            if reference.resolvable and reference.target not in known
        )
    return tuple(found)


def check_dangling(
    found: Iterable[Dangling], elsewhere: Collection[FlowId], scope: Scope
) -> tuple[Diagnostic, ...]:
    """A diagnostic for each target that is not ``elsewhere`` on the server either.

    An error inside the scope, where Git should hold it; a warning outside, where somebody else
    may deploy it later, and for Flow triggers, which simply do not fire.
    """
    diagnostics = []
    for each in found:
        reference, flow = each.reference, each.desired
        if reference.target in elsewhere:
            continue
        inside = scope.covers(reference.target.namespace)
        serious = inside and reference.kind is not ReferenceKind.FLOW_TRIGGER
        parsed = parse_flow(flow.flow)
        assert isinstance(parsed, ParsedDocument)
        verb = "waits for" if reference.kind is ReferenceKind.FLOW_TRIGGER else "calls"
        diagnostics.append(
            Diagnostic(
                path=flow.path,
                position=flow.file_position(parsed.position_of(reference.path)),
                severity=Severity.ERROR if serious else Severity.WARNING,
                rule="reference-missing",
                message=f"{verb} {reference.target}, which is neither in Git nor on the server",
                remedy="add the flow, or correct namespace and flowId" if serious else None,
                flow=flow.flow_id,
            )
        )
    return tuple(diagnostics)
