"""Both sides of a plan: the files and the server, and the checks of what is about to change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.commands.validate import check_flows, sound
from kestra_sync.model import (
    Base,
    Change,
    Desired,
    Diagnostic,
    Flow,
    FlowId,
    Live,
    Repository,
    Scope,
    Severity,
    Skipped,
)
from kestra_sync.observer import Observer
from kestra_sync.plan.build import build_changes, needs_reading
from kestra_sync.plan.compare import Rules
from kestra_sync.repo.flows import confirm

if TYPE_CHECKING:
    from kestra_sync.kestra.client import KestraClient


@dataclass(frozen=True)
class Sides:
    """Everything that the three-way comparison takes, and what the checks said."""

    desired: Mapping[FlowId, Desired]
    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]


def scope_of(repository: Repository, configured: Scope | None) -> Scope:
    """The scope: as configured, or exactly the namespaces that the files name."""
    if configured is not None:
        return configured
    return Scope(tuple(sorted({flow.flow_id.namespace for flow in repository.flows})), exact=True)


def gather(
    client: KestraClient,
    repository: Repository,
    scope: Scope,
    bases: Mapping[FlowId, Base],
    rules: Rules,
    *,
    parallelism: int,
    observer: Observer,
) -> Sides:
    """Read the server, match it with the files, check what will be written.

    Equal sources are matched by their hashes and not even parsed; only the rest is parsed, read
    with its revision, and checked offline and by the server.

    :raises KestraError: if the server cannot be read.
    """
    from kestra_sync.live.revisions import base_sources, with_revisions
    from kestra_sync.live.snapshot import snapshot
    from kestra_sync.render.identity import render

    observer.stage("reading the server")
    desired = {flow.flow_id: render(flow) for flow in repository.flows}
    known = {each.sent_sha256: flow_id for flow_id, each in desired.items()}
    live = snapshot(client.flows, scope, known, parallelism=parallelism)

    observer.stage("comparing")
    diagnostics: list[Diagnostic] = []
    desired, problems = _confirmed(desired, live)
    diagnostics.extend(problems)
    changes = build_changes(desired, live, bases, rules)
    to_read = needs_reading(changes)
    if to_read:
        fresh = with_revisions(
            client.flows, [live[flow_id] for flow_id in to_read], parallelism=parallelism
        )
        live = {**live, **fresh}
        for flow_id in to_read:
            if flow_id not in fresh:
                del live[flow_id]
        edited = {
            flow_id: bases[flow_id]
            for flow_id in to_read
            if flow_id in bases
            and flow_id in live
            and live[flow_id].sha256 not in bases[flow_id].live_hashes
        }
        texts = base_sources(client.flows, edited, parallelism=parallelism)
        changes = build_changes(desired, live, bases, rules, texts)
    diagnostics.extend(_check_writes(client, changes, observer))
    return Sides(desired, changes, tuple(diagnostics))


def _confirmed(
    desired: Mapping[FlowId, Desired], live: Mapping[FlowId, Live]
) -> tuple[dict[FlowId, Desired], list[Diagnostic]]:
    """Parse what is not equal to the server, and correct names that the fast scan got wrong."""
    confirmed: dict[FlowId, Desired] = {}
    problems: list[Diagnostic] = []
    for flow_id, each in desired.items():
        there = live.get(flow_id)
        if there is not None and there.sha256 == each.sent_sha256:
            confirmed[flow_id] = each
            continue
        verdict = confirm(each.flow)
        if isinstance(verdict, Flow):
            confirmed[verdict.flow_id] = replace(each, flow=verdict)
        elif not isinstance(verdict, Skipped):
            problems.extend(verdict)
            confirmed[flow_id] = each
    return confirmed, problems


def _check_writes(
    client: KestraClient, changes: Iterable[Change], observer: Observer
) -> list[Diagnostic]:
    """Everything that is wrong with what would be written, as said offline and by the server."""
    from kestra_sync.checks.server import check_on_server

    written = [each.desired.flow for each in changes if each.writes and each.desired is not None]
    if not written:
        return []
    observer.stage("checking what will be written")
    desired, diagnostics = check_flows(written)
    diagnostics.extend(check_on_server(client.flows, sound(desired, diagnostics)))
    return diagnostics


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether anything in there stops all writing."""
    return any(each.severity is Severity.ERROR for each in diagnostics)
