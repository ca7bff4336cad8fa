"""Checks flows: offline, on the server, and their references."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.model import Change, Desired, Diagnostic, FlowId, Kind, Scope, Severity
from kestra_sync.repo.comments import MARK
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient


@dataclass(frozen=True)
class CheckedFlows:
    """Flows, and what is wrong with each by itself.

    :param desired: the flows that were checked.
    :param fine: those without an error of ours.
    :param said: findings of the offline checks; warnings if the server accepted the flow.
    :param asked: what the server says; duplicates are reported once.
    """

    desired: tuple[Desired, ...] = ()
    fine: tuple[Desired, ...] = ()
    said: tuple[Diagnostic, ...] = ()
    asked: tuple[Diagnostic, ...] = ()


def check_offline_rules(
    desired: Sequence[Desired], settings: Settings, release: tuple[int, int] | None = None
) -> list[Diagnostic]:
    """What our own rules and the policy of ``settings`` say of flows.

    :param release: the version of Kestra that decides what is known; ``None`` for any.
    """
    from kestra_sync.checks.offline import check_offline
    from kestra_sync.checks.references import check_cycles, check_live_calls
    from kestra_sync.checks.rules import weighed

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
    return weighed(diagnostics, policy)


def _have_ignores(desired: Iterable[Desired]) -> bool:
    """Most repositories have none; the comments are looked for only if there may be some."""
    return any(MARK in each.sent for each in desired)


def _without_ignored(
    desired: Sequence[Desired], diagnostics: Sequence[Diagnostic]
) -> Sequence[Diagnostic]:
    if not diagnostics or not _have_ignores(desired):
        return diagnostics
    from kestra_sync.checks.ignores import drop_ignored

    return drop_ignored(desired, diagnostics)


def check(
    client: KestraClient,
    desired: Sequence[Desired],
    settings: Settings,
    found: Sequence[Diagnostic] = (),
) -> CheckedFlows:
    """Check flows offline while the server validates them.

    :param found: what is wrong with them as far as that is known already.
    :raises KestraError: the server cannot be asked.
    """
    if not desired:
        return CheckedFlows()
    from kestra_sync.checks.rules import said_once, settled, weighed
    from kestra_sync.checks.server import check_on_server
    from kestra_sync.client.parallel import in_background

    answer = in_background(lambda: check_on_server(client.flows, desired))
    said = check_offline_rules(desired, settings)
    asked = weighed(_without_ignored(desired, answer()), settings.policy)
    refused = {(each.path, each.flow) for each in asked if each.rule == "kestra-invalid"}
    accepted = {(each.path, each.flow_id) for each in desired} - refused
    said = settled(said, accepted, settings.policy)
    together = said_once(said, asked)
    theirs = set(asked)
    return CheckedFlows(
        tuple(desired),
        sound(desired, [*found, *said]),
        tuple(each for each in together if each not in theirs),
        tuple(each for each in together if each in theirs),
    )


def sound(desired: Iterable[Desired], diagnostics: Iterable[Diagnostic]) -> tuple[Desired, ...]:
    """Those without an error so far."""
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
    found = [*checked.said, *checked.asked]
    if checked.desired:
        staying = {
            each.flow_id for each in changes if each.after is not None or each.before is not None
        }
        gone = {each.flow_id for each in changes if each.writes and each.after is None}
        found += check_dangling(client, checked.fine, staying - gone, scope, gone=gone)
    return [*found, *_drafts(client, changes)]


def check_dangling(
    client: KestraClient,
    desired: Sequence[Desired],
    known: Collection[FlowId],
    scope: Scope,
    *,
    gone: Collection[FlowId] = (),
) -> list[Diagnostic]:
    """References to flows that are nowhere, asking the server about those we do not know.

    :param gone: flows that are there still and will not be.
    :raises KestraError: the server cannot be asked.
    """
    from kestra_sync.checks import references

    found = references.dangling(desired, known)
    targets = {each.reference.target for each in found}
    if not targets:
        return []
    namespaces = tuple(sorted({each.namespace for each in targets}))
    elsewhere = {each.flow_id for each in client.flows.search(Scope(namespaces, exact=True))}
    said = references.check_dangling(found, elsewhere.difference(gone), scope, known)
    return list(_without_ignored(desired, said))


def _drafts(client: KestraClient, changes: Collection[Change]) -> tuple[Diagnostic, ...]:
    from kestra_sync.checks.drafts import drafts_on_server

    found = drafts_on_server(changes)
    return found if found and client.server_info().can.drafts else ()
