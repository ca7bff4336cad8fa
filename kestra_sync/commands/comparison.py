"""Compares Git and the server flow by flow; uncertain results of a bulk read are read again."""

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
    """What is not a flow.

    :param desired: what Git holds.
    :param partial: only part of the repository is looked at.
    """

    kinds: Kinds
    desired: Mapping[ResourceId, Desired] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared, and the outcome.

    :param desired: what Git holds, by name.
    :param live: how many flows the scope holds on the server.
    :param live_beside: how many resources of other kinds, for each kind.
    :param bases: what we applied last, inside of the scope.
    :param others: the other inventories of the tenant, if they were read.
    :param checked: what is wrong with the flows that would be written, each by itself.
    :param unreadable: why some of ``desired`` cannot be parsed.
    """

    desired: Mapping[FlowId, Desired]
    changes: tuple[Change, ...]
    live: int
    bases: Mapping[FlowId, Base]
    others: Others | None
    checked: flows_check.CheckedFlows
    unreadable: tuple[Diagnostic, ...]
    live_beside: Mapping[Kind, int] = field(default_factory=dict)


def read_live(
    client: KestraClient,
    settings: Settings,
    scope: Scope,
    desired: Iterable[Desired],
    exported: Callable[[], tuple[bytes, ...]] | None,
    observer: Observer,
) -> flows_read.LiveFlows:
    """What the server holds in ``scope``.

    :param exported: waits for the export of the scope, if that has been asked for already.
    :raises KestraError: if the server cannot be read.
    """
    observer.stage("reading the server")
    return flows_read.read(
        client, scope, desired, parallelism=settings.parallelism, exported=exported
    )


def only_touched(
    everything: Mapping[FlowId, Live], touched: frozenset[ResourceId] | None
) -> Mapping[FlowId, Live]:
    """The flows among these resources; all of them for ``None``."""
    if touched is None:
        return everything
    return {key: each for key, each in everything.items() if key in touched}


def record_of_touched(
    ownership: Ownership | None, touched: frozenset[ResourceId] | None
) -> Ownership | None:
    """The same with the entries of these resources only; with all of them for ``None``."""
    if ownership is None or ownership.inventory is None or touched is None:
        return ownership
    whole, intent = ownership.inventory, ownership.inventory.intent
    if intent is not None:
        writes = {key: each for key, each in intent.writes.items() if key in touched}
        intent = replace(intent, writes=writes)
    resources = {key: each for key, each in whole.resources.items() if key in touched}
    return replace(ownership, inventory=replace(whole, resources=resources, intent=intent))


def compare(
    client: KestraClient,
    settings: Settings,
    scope: Scope,
    desired: Iterable[Desired],
    live: Mapping[FlowId, Live],
    beside: OtherResources,
    ownership: Ownership | None,
    observer: Observer,
) -> Comparison:
    """Place every resource in the three-way table, and read again what is about to change.

    :param live: the flows that the server holds, from a bulk read.
    :param beside: what is not a flow.
    :raises KestraError: if the server cannot be read.
    """
    observer.stage("comparing")
    desired, flows = tuple(desired), live
    bases, rules = _bases(ownership, scope), _rules(settings)
    if beside.partial:
        # What is not looked at is not read either.
        bases = {
            key: base
            for key, base in bases.items()
            if key.kind is Kind.FLOW or key in beside.desired
        }
    reading = beside.kinds.read(
        client, beside.desired, {k: v for k, v in bases.items() if k.kind is not Kind.FLOW}
    )
    bases, live = {**bases, **reading.bases}, {**live, **reading.live}
    named = {**{each.flow_id: each for each in desired}, **beside.desired}
    changes = build_changes(named, live, bases, rules)
    # The server looks at them while they are parsed here.
    asked = flows_check.ask(client, flows_check.written(changes))
    parsed, unreadable = flows_read.confirmed(desired, flows)
    confirmed = {**parsed, **beside.desired}
    if confirmed != named:  # the names that a scan has found are rarely wrong
        changes = build_changes(confirmed, live, bases, rules)
    asking = None if settings.only_looking else ownership
    second_look = _begin_second_look(
        client, changes, live, bases, asking, scope, parallelism=settings.parallelism
    )
    # Checked while the answers are on their way: which flows are written rarely depends on them.
    checked = _check_written(client, settings, changes, observer, asked)
    seen = second_look()
    changes = rebuild_changes(
        changes, seen.flows, confirmed, seen.live, seen.bases, rules, seen.base_sources
    )
    edited = {
        each.flow_id: seen.bases[each.flow_id]
        for each in changes
        if each.flow_id.kind is not Kind.FLOW
        and each.reason.traits.edited
        and is_in_memory(each.before)  # else there is no diff to show
        and each.flow_id in seen.bases
    }
    texts = beside.kinds.last_applied(client, edited)
    changes = tuple(
        replace(each, base=texts[each.flow_id]) if each.flow_id in texts else each
        for each in changes
    )
    others = seen.others if asking is None else _others(client, changes, asking, seen.others)
    counts = Counter(each.kind for each in seen.live)
    return Comparison(
        confirmed,
        changes,
        counts.pop(Kind.FLOW, 0),
        seen.bases,
        others,
        checked,
        (*unreadable, *reading.diagnostics),
        counts,
    )


def passes(settings: Settings, compared: Comparison, *, partial: bool) -> Iterator[Pass]:
    """What refines the outcome, in order.

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
    changes: tuple[Change, ...],
    compared: Comparison,
    kinds: Kinds,
    observer: Observer,
) -> list[Diagnostic]:
    """Everything that is wrong with what would be written, what it refers to included.

    :raises KestraError: the server cannot be asked.
    """
    checked = compared.checked
    if flows_check.written(changes) != checked.desired:
        checked = _check_written(client, settings, changes, observer)
    problems = [
        *flows_check.check_changes(client, changes, checked, scope),
        *kinds.check_reads(client, checked.fine, compared.desired),
    ]
    # What cannot be parsed was told when it was compared, and again when it was checked.
    told = {_words(each) for each in problems}
    return [*(each for each in compared.unreadable if _words(each) not in told), *problems]


def _words(diagnostic: Diagnostic) -> tuple[object, ...]:
    return diagnostic.path, diagnostic.position, diagnostic.rule, diagnostic.message


def _check_written(
    client: KestraClient,
    settings: Settings,
    changes: tuple[Change, ...],
    observer: Observer,
    asked: flows_check.Asked | None = None,
) -> flows_check.CheckedFlows:
    """What is wrong with each of the flows that would be written, by itself."""
    desired = flows_check.written(changes)
    if desired:
        observer.stage("checking flows to write")
    return flows_check.check(client, desired, settings, asked=asked)


def _rules(settings: Settings) -> Rules:
    """The settings that the comparison uses."""
    return Rules(
        tracked=settings.name is not None,
        prune_owned=settings.prune is not Prune.NONE,
        prune_all=settings.prune is Prune.SCOPE,
        re_enable=settings.re_enable,
        on_drift=settings.on_drift,
    )


def _bases(ownership: Ownership | None, scope: Scope) -> dict[FlowId, Base]:
    """What we applied last, inside of ``scope``: what is outside is kept and ignored.

    A name that is not one of Kestra's comes from a forged record.
    """
    bases = ownership.bases if ownership is not None else {}
    return {
        key: base
        for key, base in bases.items()
        if scope.covers(key.namespace) and is_resource_id(key)
    }


@dataclass(frozen=True)
class _SecondLook:
    """What is known after asking again.

    :param flows: those to be compared once more.
    :param live: everything that the server holds, the flows that were read again with revision.
    :param bases: what we applied last, and what runs of ours that were killed meant to write.
    :param base_sources: the texts of ``bases`` for flows that were edited on the server.
    :param others: the other inventories of the tenant, if they were read.
    """

    flows: frozenset[FlowId]
    live: Mapping[FlowId, Live]
    bases: Mapping[FlowId, Base]
    base_sources: Mapping[FlowId, bytes]
    others: Others | None


def _begin_second_look(
    client: KestraClient,
    changes: tuple[Change, ...],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    ownership: Ownership | None,
    scope: Scope,
    *,
    parallelism: int,
) -> Callable[[], _SecondLook]:
    """Ask for what ``changes`` leave in doubt; what is returned waits for the last answers.

    :param ownership: ``None`` if it does not matter whose the flows are.
    :raises KestraError: if the server cannot be read.
    """
    # What is dropped from the record has no owner any more, and what is missing is reported as
    # deleted: make sure that it does not exist.
    gone = [
        each.flow_id
        for each in changes
        if each.reason.traits.gone and each.flow_id.kind is Kind.FLOW
    ]
    found = flows_read.still_there(client.flows, gone, parallelism=parallelism)
    others = None
    runs: frozenset[FlowId] = frozenset()
    if ownership is not None:
        others = _others(client, changes, ownership, all_of_them=bool(found))
    if others is not None and others.runs:
        from kestra_sync.inventory.others import with_runs

        bases = with_runs(bases, others.runs, scope)
        runs = frozenset(others.runs)
    ours_after_all = {
        each.flow_id
        for each in changes
        if each.reason is Reason.FOREIGN and each.flow_id in runs and each.flow_id.kind is Kind.FLOW
    }
    wanted = ours_after_all.union(needs_reading(changes))
    reread = flows_read.begin_reread(client, sorted(wanted), live, bases, parallelism=parallelism)

    def wait() -> _SecondLook:
        fresh = reread()
        return _SecondLook(
            frozenset(wanted.union(found, runs)),
            {
                **{key: each for key, each in live.items() if key not in wanted},
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
    """The other inventories; they are only read where something may be theirs.

    What we own may have been taken over by another repository since: it is not ours to delete.

    :param known: what was read before.
    :param all_of_them: read them whatever ``changes`` say.
    """
    from kestra_sync.inventory.others import read_others

    changes = tuple(changes)
    whole = all_of_them or ownership.take_over or any(each.maybe_foreign for each in changes)
    if known is not None and (known.whole or not whole):
        return known
    if not (whole or any(each.reason is Reason.FOREIGN for each in changes)):
        return None
    return read_others(client.kv, ownership.at, ownership.inventory, only_runs=not whole)
