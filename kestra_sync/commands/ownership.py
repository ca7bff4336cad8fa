"""Reads the owned flows before a plan is created, and computes what an apply would record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kestra_sync.client.client import target_of
from kestra_sync.inventory.others import name_of
from kestra_sync.inventory.read import KvReads, Ownership, check_owner, find_inventory, place_of
from kestra_sync.inventory.record import Origin, actor, origin
from kestra_sync.model import (
    Desired,
    Diagnostic,
    FlowId,
    Plan,
    RecordChange,
    ResourceId,
    Scope,
    Severity,
    Target,
    counted,
)
from kestra_sync.repo.git_status import is_dirty
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient, ServerInfo
    from kestra_sync.inventory.others import Others


@dataclass(frozen=True)
class Prefetch:
    """Pending responses. Each function waits for one, and is called at most once.

    Errors are raised by these functions; if one is never called, its error is dropped.

    :param ownership: the owned flows, for the scope; ``None`` for a run without a name.
    :param exported: every source in the scope; ``None`` if the scope depends on the files.
    """

    server_info: Callable[[], ServerInfo]
    ownership: Callable[[Scope], Ownership | None]
    exported: Callable[[], tuple[bytes, ...]] | None


def prefetch(client: KestraClient, settings: Settings) -> Prefetch:
    """Send the requests without waiting for the responses."""
    from kestra_sync.client.parallel import in_background

    def read(scope: Scope) -> Ownership | None:
        if not settings.name:
            return None
        target = target_of(client, settings.environment)
        return read_ownership(client.kv, settings, scope, target)

    scope = settings.scope
    if scope is None:
        return Prefetch(in_background(client.server_info), read, None)
    # The slowest first: the server processes it while the others complete.
    exported = in_background(lambda: client.flows.export(scope))
    owned = in_background(lambda: read(scope)) if settings.name else None
    return Prefetch(
        in_background(client.server_info),
        read if owned is None else lambda _scope: owned(),
        exported,
    )


def read_ownership(kv: KvReads, settings: Settings, scope: Scope, target: Target) -> Ownership:
    """Find our inventory and check that it belongs to this repository.

    :param target: the server and tenant.
    :raises RefusedError: it was written by another repository or for another server, or cannot
        be used.
    :raises UnexpectedAnswer: the answers of the KV store contradict each other.
    :raises KestraError: if the KV store cannot be read.
    """
    place = place_of(settings, scope)
    here = _here(settings)
    found = find_inventory(kv, place, scope, here.repository)
    check_owner(found.inventory, here.repository, target, take_over=settings.take_over)
    # The live flows are expected to have a record in addition to that of the preview.
    similar = () if settings.preview is not None else found.similar
    return Ownership(
        place, found.inventory, here, found.at, similar, settings.take_over, settings.preview
    )


def _here(settings: Settings) -> Origin:
    """Return the origin of the files, whether they match its commit, and who deploys them.

    An untracked file below the paths makes the tree dirty as well: it is deployed, and not in the
    commit.
    """
    here = origin()
    dirty = here.commit is not None and is_dirty(Path(), untracked=settings.paths)
    return replace(here, dirty=bool(dirty), by=actor())


def differs(
    ownership: Ownership,
    desired: Mapping[ResourceId, Desired],
    scope: Scope,
    *,
    prunes: bool,
) -> bool:
    """Whether the files differ from those of the last apply: then writes are likely.

    :param prunes: resources missing from ``desired`` are deleted.
    """
    bases = ownership.bases
    for key, each in desired.items():
        base = bases.get(key)
        # The hash of a secret has a new salt in each run.
        if base is None or not (each.masked or base.file_sha256 == each.git_sha256):
            return True
    return prunes and any(key not in desired for key in bases if scope.covers(key.namespace))


def record_changes(
    plan: Plan, ownership: Ownership, others: Others | None
) -> tuple[RecordChange, ...]:
    """Compute what an apply would record in addition to the writes."""
    found: list[RecordChange] = []
    if not only_writes(plan, ownership):
        from kestra_sync.apply.record import RunRecord

        record = RunRecord(
            ownership.place,
            ownership.inventory,
            plan,
            ownership.origin,
            at=ownership.at,
            preview=ownership.preview,
        )
        found += record.pending()
    if others is not None and ownership.take_over:
        from kestra_sync.apply.neighbours import taken_over

        taken: dict[str, list[ResourceId]] = {}
        for each in taken_over(plan, ownership.inventory, others.owners):
            taken.setdefault(str(others.name(each)), []).append(each)
        for name, keys in sorted(taken.items()):
            words = f"{len(keys):,} to remove from the inventory {name!r}"
            found.append(RecordChange("strike", words, len(keys), counted(keys)))
    return tuple(found)


def only_writes(plan: Plan, ownership: Ownership) -> bool:
    """Whether an apply certainly records nothing but its writes: the record is consistent."""
    record = ownership.inventory
    return (
        record is not None
        and (ownership.at, ownership.origin.repository) == (ownership.place, record.repository)
        and record.target == plan.target
        and record.intent is None
        and record.moved_from is None
        and all(each.writes for each in plan.changes)
    )


def similar_records(ownership: Ownership | None) -> Iterator[Diagnostic]:
    """Warn about records that look like ours under another name."""
    if ownership is None:
        return
    here = ownership.place
    for each in ownership.similar:
        there = each.place
        if there.full_name == here.full_name:
            remedy = (
                "to continue with it, add one of its namespaces to the scope; otherwise it is "
                "left alone"
            )
        else:
            remedy = (
                f"if it was renamed, run 'kestra-sync inventory rename"
                f" {there.full_name} {here.full_name}'"
            )
        yield Diagnostic(
            "",
            None,
            Severity.WARNING,
            "similar-inventory",
            f"no inventory {here.full_name!r} yet, but {there.full_name!r} in {there.namespace} "
            f"has {counted(each.inventory.resources)} of the scope"
            f" {', '.join(each.inventory.scope.namespaces)}",
            remedy,
        )


def owners_of(others: Others | None, ownership: Ownership | None) -> dict[FlowId, str]:
    """Return the flows that must not be changed because of their owner, with its name."""
    if others is None or ownership is None or ownership.take_over:
        return {}
    return {flow_id: name_of(key) for flow_id, key in others.owners.items()}
