"""Checks flows: offline, on the server, and their references.

Each target must exist, in the files or on the server. Kestra itself only warns, only for top-level
``Subflow`` tasks, and warns for every reference inside a first deploy (``docs/kestra-api.md``,
"Missing subflows"). So its warning is replaced by this check, which includes nested tasks and flows
that are about to be deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.checks.rules import RULES
from kestra_sync.model import Change, Desired, Diagnostic, FlowId, Kind, Position, Scope, Severity
from kestra_sync.plan.order import order
from kestra_sync.repo.comments import MARK
from kestra_sync.repo.document import ParsedDocument, Reference, ReferenceKind
from kestra_sync.repo.load import parse_source
from kestra_sync.resources import is_in_memory
from kestra_sync.settings import Settings
from kestra_sync.suggest import did_you_mean

if TYPE_CHECKING:
    from kestra_sync.checks.server import ValidationAnswer
    from kestra_sync.client.client import KestraClient

#: Occurs in the source of every draft.
_DRAFT = b"draft"


@dataclass(frozen=True)
class CheckedFlows:
    """Flows, and the findings about each.

    :param desired: the flows that were checked.
    :param valid: those without an error of ours.
    :param offline_findings: of our own checks; warnings if the server accepted the flow.
    :param server_findings: reported by the server; duplicates are reported once.
    """

    desired: tuple[Desired, ...] = ()
    valid: tuple[Desired, ...] = ()
    offline_findings: tuple[Diagnostic, ...] = ()
    server_findings: tuple[Diagnostic, ...] = ()


def check_offline_rules(
    desired: Sequence[Desired], settings: Settings, release: tuple[int, int] | None = None
) -> list[Diagnostic]:
    """Check flows against our own rules and the policy of ``settings``.

    :param release: the version of Kestra whose features are known; ``None`` for any.
    """
    from kestra_sync.checks.offline import check_offline

    policy, base = settings.policy, settings.base
    diagnostics = [problem for each in desired for problem in check_offline(each, release)]
    diagnostics.extend(check_cycles(desired))
    if settings.preview is not None and settings.scope is not None:
        diagnostics.extend(check_live_calls(desired, settings.scope))
    if policy.options:
        from kestra_sync.checks.policy import check_policy

        source = settings.source or settings.paths
        scope = settings.files_scope or settings.scope
        diagnostics.extend(check_policy(desired, policy, source=source, scope=scope, base=base))
    if _have_ignores(desired):
        from kestra_sync.checks.ignores import apply_ignores

        diagnostics = list(apply_ignores(desired, diagnostics, policy, base=base))
    if not diagnostics:
        return []
    from kestra_sync.checks.rules import with_policy_severity

    return with_policy_severity(diagnostics, policy)


def _have_ignores(desired: Iterable[Desired]) -> bool:
    """Return whether any flow may have ignore comments, which most repositories do not use."""
    return any(MARK in each.sent for each in desired)


def _without_ignored(
    desired: Sequence[Desired], diagnostics: Sequence[Diagnostic]
) -> Sequence[Diagnostic]:
    if not diagnostics or not _have_ignores(desired):
        return diagnostics
    from kestra_sync.checks.ignores import drop_ignored

    return drop_ignored(desired, diagnostics)


@dataclass(frozen=True)
class PendingValidation:
    """A validation request to the server.

    :param answer: waits for the results, one per flow; to be called once.
    """

    desired: tuple[Desired, ...]
    answer: Callable[[], Sequence[ValidationAnswer]]


def begin_validation(client: KestraClient, desired: Sequence[Desired]) -> PendingValidation:
    """Request the validation of flows without waiting for it."""
    from kestra_sync.client.parallel import in_background

    if not desired:
        return PendingValidation((), tuple)
    sources = [each.sent for each in desired]
    return PendingValidation(tuple(desired), in_background(lambda: client.flows.validate(sources)))


def check(
    client: KestraClient,
    desired: Sequence[Desired],
    settings: Settings,
    found: Sequence[Diagnostic] = (),
    *,
    validation: PendingValidation | None = None,
) -> CheckedFlows:
    """Check flows offline while the server validates them.

    :param found: the findings so far.
    :param validation: an earlier request; it is used if its flows are the same.
    :raises KestraError: the server cannot be reached.
    """
    if not desired:
        return CheckedFlows()
    if validation is None or validation.desired != tuple(desired):
        validation = begin_validation(client, desired)
    offline = check_offline_rules(desired, settings)
    reported = _answered(desired, validation.answer())
    if not (offline or reported):
        return CheckedFlows(tuple(desired), without_errors(desired, found))
    from kestra_sync.checks.rules import after_server, deduplicated, with_policy_severity

    server = with_policy_severity(_without_ignored(desired, reported), settings.policy)
    refused = {(each.path, each.flow) for each in server if each.rule == "kestra-invalid"}
    accepted = {(each.path, each.flow_id) for each in desired} - refused
    offline = after_server(offline, accepted, settings.policy)
    together = deduplicated(offline, server)
    of_server = set(server)
    return CheckedFlows(
        tuple(desired),
        without_errors(desired, [*found, *offline]),
        tuple(each for each in together if each not in of_server),
        tuple(each for each in together if each in of_server),
    )


def _answered(
    desired: Sequence[Desired], answers: Sequence[ValidationAnswer]
) -> tuple[Diagnostic, ...]:
    """Return the findings of the server about flows; usually none."""
    has_findings = any(
        it.constraints or it.warnings or it.deprecations or it.infos for it in answers
    )
    if not has_findings and not any(_DRAFT in each.sent for each in desired):
        return ()
    from kestra_sync.checks.server import check_on_server

    return check_on_server(desired, answers)


def without_errors(
    desired: Iterable[Desired], diagnostics: Iterable[Diagnostic]
) -> tuple[Desired, ...]:
    """Return the flows without an error so far."""
    bad = {(each.path, each.flow) for each in diagnostics if each.severity is Severity.ERROR}
    return tuple(each for each in desired if (each.path, each.flow_id) not in bad)


def written(changes: Iterable[Change]) -> tuple[Desired, ...]:
    """What Git holds of the flows that would be written."""
    return tuple(
        each.desired
        for each in changes
        if each.writes and each.desired is not None and each.flow_id.kind is Kind.FLOW
    )


def check_changes(
    client: KestraClient, changes: Collection[Change], checked: CheckedFlows, scope: Scope
) -> list[Diagnostic]:
    """Everything that is wrong with what would be written, its calls of other flows included.

    :param checked: those flows, each checked by itself.
    :raises KestraError: the server cannot be asked.
    """
    changes = [each for each in changes if each.flow_id.kind is Kind.FLOW]
    found = [*checked.offline_findings, *checked.server_findings]
    if checked.desired:
        staying = {
            each.flow_id for each in changes if each.after is not None or each.before is not None
        }
        deleted = {each.flow_id for each in changes if each.writes and each.after is None}
        found += check_dangling(client, checked.valid, staying - deleted, scope, deleted=deleted)
    return [*found, *_drafts(client, changes)]


def check_dangling(
    client: KestraClient,
    desired: Sequence[Desired],
    known: Collection[FlowId],
    scope: Scope,
    *,
    deleted: Collection[FlowId] = (),
) -> list[Diagnostic]:
    """Find references to flows that exist neither in Git nor on the server.

    :param deleted: flows that still exist but will be deleted.
    :raises KestraError: the server cannot be read.
    """
    found = dangling(desired, known)
    targets = {each.reference.target for each in found}
    if not targets:
        return []
    namespaces = tuple(sorted({each.namespace for each in targets}))
    elsewhere = {each.flow_id for each in client.flows.search(Scope(namespaces, exact=True))}
    diagnostics = report_dangling(found, elsewhere.difference(deleted), scope, known)
    return list(_without_ignored(desired, diagnostics))


def _drafts(client: KestraClient, changes: Collection[Change]) -> tuple[Diagnostic, ...]:
    replaced = [half.before for it in changes for half in (it, it.moved_from) if half is not None]
    if not any(is_in_memory(each) and _DRAFT in each for each in replaced):
        return ()
    from kestra_sync.checks.server import drafts_on_server

    found = drafts_on_server(changes)
    return found if found and client.server_info().can.drafts else ()


@dataclass(frozen=True)
class UnresolvedReference:
    """A reference whose target is not among the known flows."""

    desired: Desired
    reference: Reference


def dangling(
    desired: Iterable[Desired], known: Collection[FlowId]
) -> tuple[UnresolvedReference, ...]:
    """Return the references of ``desired`` to flows that are not ``known``."""
    found: list[UnresolvedReference] = []
    for each in desired:
        parsed = parse_source(each.sent, each.sent_sha256)
        if not isinstance(parsed, ParsedDocument):
            continue
        found.extend(
            UnresolvedReference(each, reference)
            for reference in parsed.references
            if reference.resolvable and reference.target not in known
        )
    return tuple(found)


def report_dangling(
    found: Iterable[UnresolvedReference],
    elsewhere: Collection[FlowId],
    scope: Scope,
    known: Collection[FlowId] = (),
) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for each target that is not ``elsewhere`` on the server either.

    An error inside the scope, where the target should be in Git; a warning outside, where another
    repository may deploy it later, and for Flow triggers, which just do not fire.

    :param known: the flows in Git, for suggestions.
    """
    diagnostics = []
    there = {*known, *elsewhere}
    for each in found:
        reference, flow = each.reference, each.desired
        if reference.target in elsewhere:
            continue
        inside = scope.covers(reference.target.namespace)
        serious = inside and reference.kind is not ReferenceKind.FLOW_TRIGGER
        parsed = parse_source(flow.sent, flow.sent_sha256)
        assert isinstance(parsed, ParsedDocument)
        verb = "waits for" if reference.kind is ReferenceKind.FLOW_TRIGGER else "calls"
        diagnostics.append(
            Diagnostic(
                path=flow.path,
                position=flow.file_position(parsed.position_of(reference.path)),
                severity=Severity.ERROR if serious else Severity.WARNING,
                rule="reference-missing",
                message=f"{verb} {reference.target}, which exists neither in Git nor on the server",
                remedy=_meant(reference.target, there)
                or ("add the flow, or correct namespace and flowId" if serious else None),
                flow=flow.flow_id,
            )
        )
    return tuple(diagnostics)


def check_live_calls(desired: Iterable[Desired], scope: Scope) -> tuple[Diagnostic, ...]:
    """Return a warning for each call from a preview to a live flow.

    :param scope: the namespaces of the preview.
    """
    diagnostics = []
    for each in desired:
        parsed = parse_source(each.sent, each.sent_sha256)
        for reference in parsed.references if isinstance(parsed, ParsedDocument) else ():
            target = reference.target
            waits = reference.kind is ReferenceKind.FLOW_TRIGGER
            if waits or not reference.resolvable or scope.covers(target.namespace):
                continue
            assert isinstance(parsed, ParsedDocument)
            diagnostics.append(
                Diagnostic(
                    path=each.path,
                    position=each.file_position(parsed.position_of(reference.path)),
                    severity=Severity.WARNING,
                    rule="preview-live-call",
                    message=f"calls {target}, which is not part of the preview: the live flow runs",
                    remedy="map its namespace in `preview.namespaces`, or set another target with a"
                    " patch",
                    flow=each.flow_id,
                )
            )
    return tuple(diagnostics)


def check_cycles(desired: Iterable[Desired]) -> tuple[Diagnostic, ...]:
    """Return a warning for each group of flows that call each other, at a call of its first flow.

    A flow that calls itself is also such a group. Kestra loads these flows, and starts executions
    of them endlessly. Flow triggers are ignored: flows that wait for each other do not start. Calls
    whose target is an expression are ignored, too.
    """
    called: dict[FlowId, dict[FlowId, tuple[Desired, Position]]] = {}
    for each in desired:
        parsed = parse_source(each.sent, each.sent_sha256)
        if not isinstance(parsed, ParsedDocument):
            continue
        targets = called.setdefault(each.flow_id, {})
        for reference in parsed.references:
            if reference.resolvable and reference.kind is not ReferenceKind.FLOW_TRIGGER:
                position = each.file_position(parsed.position_of(reference.path))
                targets.setdefault(reference.target, (each, position))
    if not any(called.values()):
        return ()
    groups = order(called, {flow: tuple(targets) for flow, targets in called.items()}).cycles
    grouped = {flow for group in groups for flow in group}
    alone = [[flow] * 2 for flow in called if flow in called[flow] and flow not in grouped]
    diagnostics = []
    for circle in [*(_circle(group, called) for group in groups), *alone]:
        flow, position = called[circle[0]][circle[1]]
        diagnostics.append(
            Diagnostic(
                path=flow.path,
                position=position,
                severity=RULES["reference-cycle"].severity,
                rule="reference-cycle",
                message=f"recursive calls: {' -> '.join(map(str, circle))}",
                remedy="remove one of the calls, or make sure that a condition ends the recursion",
                flow=flow.flow_id,
            )
        )
    return tuple(diagnostics)


def _circle(group: tuple[FlowId, ...], called: Mapping[FlowId, Collection[FlowId]]) -> list[FlowId]:
    """Return the shortest path from the first flow of ``group`` back to it, with both ends."""
    first = group[0]
    inside = set(group)
    came_from: dict[FlowId, FlowId] = {}
    ways = [first]
    for flow in ways:  # grows during the iteration
        for other in sorted(inside.intersection(called[flow])):
            if other == first and flow != first:
                circle = [first, flow]
                while flow != first:
                    flow = came_from[flow]
                    circle.append(flow)
                return circle[::-1]
            if other != first and other not in came_from:
                came_from[other] = flow
                ways.append(other)
    raise AssertionError("a cycle leads back to each of its flows")


def _meant(target: FlowId, there: Collection[FlowId]) -> str | None:
    """Suggest the flow with a similar id in that namespace, or this id in a similar namespace.

    Full names are not compared: sharing a long namespace would make all of them similar.
    """
    ids = sorted(each.id for each in there if each.namespace == target.namespace)
    namespaces = sorted(each.namespace for each in there if each.id == target.id)
    return did_you_mean(target.id, ids) or did_you_mean(target.namespace, namespaces)
