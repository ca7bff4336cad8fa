"""Compares Git with the server; what a bulk read leaves uncertain is read again, one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kestra_sync.kinds.flows import check as flows_check
from kestra_sync.kinds.flows import read as flows_read
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import (
    Base,
    Change,
    Desired,
    Diagnostic,
    FlowId,
    Kind,
    Live,
    Reason,
    ResourceId,
    Scope,
)
from kestra_sync.observer import Observer
from kestra_sync.plan.compare import (
    Pass,
    Rules,
    build_changes,
    needs_reading,
    only_desired,
    rebuild_changes,
    respecting_others,
    with_moves,
    without_kept,
)
from kestra_sync.resources import is_in_memory
from kestra_sync.safe.text import is_resource_id
from kestra_sync.settings import Prune, Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient
    from kestra_sync.inventory.others import Others
    from kestra_sync.inventory.read import Ownership


@dataclass(frozen=True)
class OtherResources:
    """The resources that are not flows.

    :param desired: those in Git.
    :param partial: only part of the repository is compared.
    """

    kinds: Kinds
    desired: Mapping[ResourceId, Desired] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Comparison:
    """The result of comparing Git with the server.

    :param desired: the resources in Git, by name.
    :param live: the number of flows on the server, within the scope.
    :param live_others: the number of resources of each kind other than flows, likewise.
    :param bases: the last applied state of each resource, within the scope.
    :param others: the other inventories of the tenant, if they were read.
    :param checked: the problems found in each flow that would be written.
    :param unreadable: why some of ``desired`` cannot be parsed.
    """

    desired: Mapping[FlowId, Desired]
    changes: tuple[Change, ...]
    live: int
    bases: Mapping[FlowId, Base]
    others: Others | None
    checked: flows_check.CheckedFlows
    unreadable: tuple[Diagnostic, ...]
    live_others: Mapping[Kind, int] = field(default_factory=dict)


def read_live(
    client: KestraClient,
    settings: Settings,
    scope: Scope,
    desired: Iterable[Desired],
    exported: Callable[[], tuple[bytes, ...]] | None,
    observer: Observer,
) -> flows_read.LiveFlows:
    """Read the flows on the server that are within ``scope``.

    :param exported: waits for the export of the scope, if it has already been requested.
    :raises KestraError: if the server cannot be read.
    """
    observer.stage("reading the server")
    return flows_read.read(
        client, scope, desired, parallelism=settings.parallelism, exported=exported
    )


def only_touched(
    everything: Mapping[FlowId, Live], touched: frozenset[ResourceId] | None
) -> Mapping[FlowId, Live]:
    """Keep only the flows in ``touched``; ``None`` keeps all."""
    if touched is None:
        return everything
    return {key: each for key, each in everything.items() if key in touched}


def record_of_touched(
    ownership: Ownership | None, touched: frozenset[ResourceId] | None
) -> Ownership | None:
    """Keep only the entries of resources in ``touched``; ``None`` keeps all."""
    if ownership is None or ownership.inventory is None or touched is None:
        return ownership
    whole, intent = ownership.inventory, ownership.inventory.intent
    if intent is not None:
        writes = {key: each for key, each in intent.writes.items() if key in touched}
        intent = replace(intent, writes=writes)
    resources = {key: each for key, each in whole.resources.items() if key in touched}
    return replace(ownership, inventory=replace(whole, resources=resources, intent=intent))


def compare_with_server(
    client: KestraClient,
    settings: Settings,
    scope: Scope,
    desired: Iterable[Desired],
    live: Mapping[FlowId, Live],
    resources: OtherResources,
    ownership: Ownership | None,
    observer: Observer,
) -> Comparison:
    """Compare every resource three ways, and read again those that are about to change.

    :param live: the flows on the server, from a bulk read.
    :param resources: the resources that are not flows.
    :raises KestraError: if the server cannot be read.
    """
    observer.stage("comparing")
    desired, flows = tuple(desired), live
    bases, rules = _bases(ownership, scope), _rules(settings)
    if resources.partial:
        # What is not compared need not be read.
        bases = {
            key: base
            for key, base in bases.items()
            if key.kind is Kind.FLOW or key in resources.desired
        }
    reading = resources.kinds.read(
        client, resources.desired, {k: v for k, v in bases.items() if k.kind is not Kind.FLOW}
    )
    bases, live = {**bases, **reading.bases}, {**live, **reading.live}
    named = {**{each.flow_id: each for each in desired}, **resources.desired}
    changes = build_changes(named, live, bases, rules)
    # The server validates them while they are parsed here.
    validation = flows_check.begin_validation(client, flows_check.written(changes))
    parsed, unreadable = flows_read.confirmed(desired, flows)
    confirmed = {**parsed, **resources.desired}
    if confirmed != named:  # rare: a scan has found other names than the parser
        changes = build_changes(confirmed, live, bases, rules)
    checked_ownership = None if settings.display_only else ownership
    finish_reread = _begin_reread(
        client, changes, live, bases, checked_ownership, scope, parallelism=settings.parallelism
    )
    # Checked while the responses are pending: they rarely change which flows are written.
    checked = _check_written(client, settings, changes, observer, validation)
    fresh = finish_reread()
    changes = rebuild_changes(
        changes, fresh.flows, confirmed, fresh.live, fresh.bases, rules, fresh.base_sources
    )
    changes = _with_last_applied(client, resources.kinds, changes, fresh.bases)
    others = fresh.others
    if checked_ownership is not None:
        others = _others(client, changes, checked_ownership, fresh.others)
    counts = Counter(each.kind for each in fresh.live)
    return Comparison(
        confirmed,
        changes,
        counts.pop(Kind.FLOW, 0),
        fresh.bases,
        others,
        checked,
        (*unreadable, *reading.diagnostics),
        counts,
    )


def _with_last_applied(
    client: KestraClient,
    kinds: Kinds,
    changes: tuple[Change, ...],
    bases: Mapping[FlowId, Base],
) -> tuple[Change, ...]:
    """Add what we applied last to the changes of files and keys that were edited on the server."""
    edited = {
        each.flow_id: bases[each.flow_id]
        for each in changes
        if each.flow_id.kind is not Kind.FLOW
        and each.reason.traits.edited
        and is_in_memory(each.before)  # else there is no diff to show
        and each.flow_id in bases
    }
    texts = kinds.last_applied(client, edited)
    return tuple(
        replace(each, base=texts[each.flow_id]) if each.flow_id in texts else each
        for each in changes
    )


def passes(settings: Settings, compared: Comparison, *, partial: bool) -> Iterator[Pass]:
    """Return the passes that refine the changes, in order.

    :param partial: only part of the repository was selected.
    """
    yield without_kept
    if compared.others is not None:
        yield respecting_others(
            compared.others.owners, compared.bases, take_over=settings.take_over
        )
    if partial:
        yield only_desired
    yield with_moves


def check_planned(
    client: KestraClient,
    settings: Settings,
    scope: Scope,
    compared: Comparison,
    kinds: Kinds,
    observer: Observer,
) -> list[Diagnostic]:
    """Check what would be written, including its references.

    :param compared: with its final changes.
    :raises KestraError: the server cannot be reached.
    """
    changes, checked = compared.changes, compared.checked
    if flows_check.written(changes) != checked.desired:
        checked = _check_written(client, settings, changes, observer)
    problems = [
        *flows_check.check_changes(client, changes, checked, scope),
        *kinds.check_reads(client, checked.valid, compared.desired),
    ]
    # What cannot be parsed is reported by the comparison, and often by the checks as well.
    reported = {_identity(each) for each in problems}
    return [*(each for each in compared.unreadable if _identity(each) not in reported), *problems]


def _identity(diagnostic: Diagnostic) -> tuple[object, ...]:
    return diagnostic.path, diagnostic.position, diagnostic.rule, diagnostic.message


def _check_written(
    client: KestraClient,
    settings: Settings,
    changes: tuple[Change, ...],
    observer: Observer,
    validation: flows_check.PendingValidation | None = None,
) -> flows_check.CheckedFlows:
    """Check each flow that would be written, independently of the others.

    :param validation: the validation by the server, if it has already been requested.
    """
    desired = flows_check.written(changes)
    if desired:
        observer.stage("checking flows to write")
    return flows_check.check(client, desired, settings, validation=validation)


def _rules(settings: Settings) -> Rules:
    """Return the settings that the comparison uses."""
    return Rules(
        tracked=settings.name is not None,
        prune_owned=settings.prune is not Prune.NONE,
        prune_all=settings.prune is Prune.SCOPE,
        re_enable=settings.re_enable,
        on_drift=settings.on_drift,
    )


def _bases(ownership: Ownership | None, scope: Scope) -> dict[FlowId, Base]:
    """Return the last applied state within ``scope``; entries outside are kept and ignored.

    Names that Kestra does not allow come from a forged record, and are ignored as well.
    """
    bases = ownership.bases if ownership is not None else {}
    return {
        key: base
        for key, base in bases.items()
        if scope.covers(key.namespace) and is_resource_id(key)
    }


@dataclass(frozen=True)
class _Reread:
    """The state after uncertain results were read again.

    :param flows: the flows to compare again.
    :param live: all resources on the server; flows that were read again have a revision.
    :param bases: the last applied state, including the intended writes of killed runs.
    :param base_sources: the sources of ``bases`` for flows that were edited on the server.
    :param others: the other inventories of the tenant, if they were read.
    """

    flows: frozenset[FlowId]
    live: Mapping[FlowId, Live]
    bases: Mapping[FlowId, Base]
    base_sources: Mapping[FlowId, bytes]
    others: Others | None


def _begin_reread(
    client: KestraClient,
    changes: tuple[Change, ...],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    ownership: Ownership | None,
    scope: Scope,
    *,
    parallelism: int,
) -> Callable[[], _Reread]:
    """Start to read what is uncertain in ``changes``; the returned function waits for the rest.

    :param ownership: ``None`` if the owners of flows do not matter.
    :raises KestraError: if the server cannot be read.
    """
    # A flow dropped from the record loses its owner, and a missing flow is reported as deleted:
    # make sure that it really does not exist.
    missing = [
        each.flow_id
        for each in changes
        if each.reason.traits.deleted_on_server and each.flow_id.kind is Kind.FLOW
    ]
    found = flows_read.still_there(client.flows, missing, parallelism=parallelism)
    others = None
    runs: frozenset[FlowId] = frozenset()
    if ownership is not None:
        others = _others(client, changes, ownership, all_of_them=bool(found))
    if others is not None and others.runs:
        from kestra_sync.inventory.others import with_runs

        bases = with_runs(bases, others.runs, scope)
        runs = frozenset(others.runs)
    written_by_killed_runs = {
        each.flow_id
        for each in changes
        if each.reason is Reason.FOREIGN and each.flow_id in runs and each.flow_id.kind is Kind.FLOW
    }
    uncertain = written_by_killed_runs.union(needs_reading(changes))
    reread = flows_read.begin_reread(
        client, sorted(uncertain), live, bases, parallelism=parallelism
    )

    def wait() -> _Reread:
        fresh = reread()
        return _Reread(
            frozenset(uncertain.union(found, runs)),
            {
                **{key: each for key, each in live.items() if key not in uncertain},
                **found,
                **fresh.flows,
            },
            bases,
            fresh.base_sources,
            others,
        )

    return wait


def _others(
    client: KestraClient,
    changes: Iterable[Change],
    ownership: Ownership,
    known: Others | None = None,
    *,
    all_of_them: bool = False,
) -> Others | None:
    """Read the other inventories, unless nothing in ``changes`` can belong to them.

    Another repository may have taken over flows of ours since: those must not be deleted.

    :param known: the result of an earlier read.
    :param all_of_them: read them regardless of ``changes``.
    """
    from kestra_sync.inventory.others import read_others

    changes = tuple(changes)
    whole = all_of_them or ownership.take_over or any(each.maybe_foreign for each in changes)
    if known is not None and (known.whole or not whole):
        return known
    if not (whole or any(each.reason is Reason.FOREIGN for each in changes)):
        return None
    return read_others(client.kv, ownership.at, ownership.inventory, only_runs=not whole)
