"""Both sides of a plan: the files and the server, and the checks of what is about to change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from kestra_sync.commands.validate import check_everywhere
from kestra_sync.model import (
    Action,
    Base,
    Change,
    Desired,
    Diagnostic,
    Flow,
    FlowId,
    Live,
    Reason,
    Repository,
    Scope,
    Severity,
    Skipped,
)
from kestra_sync.observer import Observer
from kestra_sync.plan.build import build_changes, needs_reading, only_desired
from kestra_sync.plan.compare import Rules
from kestra_sync.plan.keep import without_kept
from kestra_sync.plan.moves import with_moves
from kestra_sync.repo.flows import confirm
from kestra_sync.safe.names import is_flow_id
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.commands.ownership import Ownership
    from kestra_sync.inventory.others import Others
    from kestra_sync.kestra.client import KestraClient

T = TypeVar("T")


@dataclass(frozen=True)
class Sides:
    """Everything that was compared, the outcome, and what the checks said.

    :param live: how many flows the scope holds on the server.
    :param others: the other inventories of the tenant, if they were looked at.
    """

    desired: Mapping[FlowId, Desired]
    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]
    live: int
    others: Others | None = None


def scope_of(repository: Repository, configured: Scope | None) -> Scope:
    """The scope: as configured, or exactly the namespaces that the files name."""
    if configured is not None:
        return configured
    return Scope(tuple(sorted({flow.flow_id.namespace for flow in repository.flows})), exact=True)


def gather(
    client: KestraClient,
    repository: Repository,
    scope: Scope,
    ownership: Ownership | None,
    rules: Rules,
    *,
    settings: Settings,
    partial: bool,
    observer: Observer,
    sources: Callable[[], tuple[bytes, ...]] | None = None,
) -> Sides:
    """Read the server, match it with the files, check what will be written.

    Equal sources are matched by their hashes and not even parsed; only the rest is parsed, read
    with its revision, and checked offline and by the server.

    :param sources: gives the export of the scope, if that has been asked for already.
    :raises KestraError: if the server cannot be read.
    """
    from kestra_sync.commands.early import EarlyExport
    from kestra_sync.live.snapshot import snapshot
    from kestra_sync.live.unusable import unusable_names
    from kestra_sync.render.identity import render

    observer.stage("reading the server")
    desired: dict[FlowId, Desired] = {flow.flow_id: render(flow) for flow in repository.flows}
    bases = ownership.bases if ownership is not None else {}
    # Entries outside the scope are kept, and are none of this run's business. A name that is not
    # one of Kestra's comes from a forged record.
    bases = {
        key: base for key, base in bases.items() if scope.covers(key.namespace) and is_flow_id(key)
    }
    known = {each.sent_sha256: flow_id for flow_id, each in desired.items()}
    unusable: set[FlowId] = set()
    live = snapshot(
        client.flows if sources is None else EarlyExport(client.flows, scope, sources),
        scope,
        known,
        parallelism=settings.parallelism,
        held={flow_id: each.sent for flow_id, each in desired.items()},
        unusable=unusable,
    )

    observer.stage("comparing")
    desired, problems = _confirmed(desired, live)
    changes = build_changes(desired, live, bases, rules)
    gone = [each.flow_id for each in changes if each.reason.traits.gone]
    if gone:
        # What is dropped from the record is nobody's, and what is missing is reported as deleted by
        # somebody: be sure that it is not there.
        from kestra_sync.live.revisions import still_there

        live = {**live, **still_there(client.flows, gone, parallelism=settings.parallelism)}
        changes = build_changes(desired, live, bases, rules)
    asks = ownership is not None and not settings.only_looking
    others = _others(client, changes, ownership) if asks and ownership is not None else None
    if others is not None and others.runs:
        bases = with_runs(bases, others.runs, scope)
        changes = build_changes(desired, live, bases, rules)
    reading = _begin_reading(client, needs_reading(changes), live, bases, settings.parallelism)
    # Checked while the revisions are on their way; which flows are written rarely depends on them.
    checked = _checked(client, _written(changes), settings, observer)
    if reading is not None:
        changes, live = _read_again(
            client, reading, changes, desired, live, bases, rules, settings.parallelism
        )
    changes = without_kept(changes)
    if asks and ownership is not None:
        others = _others(client, changes, ownership, others)
        if others is not None:
            changes = _respecting_others(changes, others, bases, take_over=settings.take_over)
    if partial:
        changes = only_desired(changes)
    changes = with_moves(changes)
    if _written(changes) != checked.flows:
        checked = _checked(client, _written(changes), settings, observer)
    said = _problems(client, changes, checked, scope)
    told = {_told(each) for each in said}
    # What cannot be parsed was told when it was compared, and again when it was checked.
    problems = [each for each in problems if _told(each) not in told]
    odd = unusable_names(unusable - desired.keys())
    drafts = _drafts(client, changes)
    return Sides(desired, changes, (*problems, *said, *odd, *drafts), len(live), others)


def _drafts(client: KestraClient, changes: Collection[Change]) -> tuple[Diagnostic, ...]:
    from kestra_sync.checks.drafts import drafts_on_server

    found = drafts_on_server(changes)
    return found if found and client.server_info().can.drafts else ()


def _told(diagnostic: Diagnostic) -> tuple[object, ...]:
    return diagnostic.path, diagnostic.position, diagnostic.rule, diagnostic.message


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


def _begin_reading(
    client: KestraClient,
    wanted: Collection[FlowId],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    parallelism: int,
) -> Callable[[], dict[FlowId, Live]] | None:
    """Ask for the revisions of ``wanted``, and do not wait."""
    if not wanted:
        return None
    from kestra_sync.kestra.parallel import in_background
    from kestra_sync.live.revisions import with_revisions

    lives = [live[each] for each in wanted]
    return in_background(
        lambda: with_revisions(
            client.flows, lives, parallelism=parallelism, beside=live, bases=bases
        )
    )


def _read_again(
    client: KestraClient,
    reading: Callable[[], dict[FlowId, Live]],
    changes: tuple[Change, ...],
    desired: Mapping[FlowId, Desired],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    rules: Rules,
    parallelism: int,
) -> tuple[tuple[Change, ...], dict[FlowId, Live]]:
    """The changes once more, with revisions, and with our last texts where somebody edited."""
    from kestra_sync.live.revisions import base_sources

    wanted = set(needs_reading(changes))
    fresh = reading()
    edited = {
        key: bases[key]
        for key in fresh
        if key in bases and fresh[key].sha256 not in bases[key].live_hashes
    }
    texts = base_sources(client.flows, edited, parallelism=parallelism)
    again = build_changes(_some(desired, wanted), fresh, _some(bases, wanted), rules, texts)
    by_flow = {each.flow_id: each for each in again}
    # What is not there any more may be nobody's business now.
    merged = tuple(
        by_flow.get(each.flow_id, each)
        for each in changes
        if each.flow_id in by_flow or each.flow_id not in wanted
    )
    now = {key: each for key, each in live.items() if key not in wanted}
    return merged, {**now, **fresh}


def _some(everything: Mapping[FlowId, T], wanted: Collection[FlowId]) -> dict[FlowId, T]:
    return {key: everything[key] for key in wanted if key in everything}


def _others(
    client: KestraClient,
    changes: Iterable[Change],
    ownership: Ownership,
    known: Others | None = None,
) -> Others | None:
    """The other inventories; they are only read where something may be theirs.

    What we own may have been taken over by another repository since: it is not ours to delete.

    :param known: what was read before.
    """
    from kestra_sync.inventory.others import read_others

    reasons = {each.reason for each in changes if each.perhaps_theirs}
    foreign = any(each.reason is Reason.FOREIGN for each in changes)
    whole = bool(reasons) or ownership.take_over
    if known is not None and (known.whole or not whole):
        return known
    if not (whole or foreign):
        return None
    return read_others(client.kv, ownership.at, ownership.inventory, only_runs=not whole)


def _respecting_others(
    changes: tuple[Change, ...],
    others: Others,
    bases: Mapping[FlowId, Base],
    *,
    take_over: bool,
) -> tuple[Change, ...]:
    """The same changes, those left out that would do something to the flows of others unasked.

    Taking over is for flows that Git holds: pruning never reaches what another inventory owns.
    """

    def spared(change: Change) -> bool:
        if change.flow_id not in others.owners:
            return False
        if change.action is Action.DELETE:
            return not take_over or change.reason is Reason.PRUNED
        return change.reason is Reason.KEPT_OFF and not take_over and change.flow_id not in bases

    return tuple(
        replace(each, action=Action.NONE, reason=Reason.FOREIGN, after=each.before)
        if spared(each)
        else each
        for each in changes
    )


def with_runs(
    bases: Mapping[FlowId, Base], runs: Mapping[FlowId, tuple[Base, ...]], scope: Scope
) -> dict[FlowId, Base]:
    """``bases``, and what runs that did not come to their end meant to write."""
    found = dict(bases)
    for flow_id, meant in runs.items():
        if not scope.covers(flow_id.namespace):
            continue
        for each in meant:
            old = found.get(flow_id)
            hashes = each.live_hashes if old is None else old.live_hashes | each.live_hashes
            found[flow_id] = replace(old or each, live_hashes=hashes)
    return found


@dataclass(frozen=True)
class _Checked:
    """Flows that would be written, and what is wrong with each by itself.

    :param fine: those without an error offline.
    :param said: by the offline checks, on which ignores have worked already.
    :param asked: what the server says.
    """

    flows: list[Flow]
    fine: list[Desired]
    said: list[Diagnostic]
    asked: list[Diagnostic]


def _written(changes: Iterable[Change]) -> list[Flow]:
    return [each.desired.flow for each in changes if each.writes and each.desired is not None]


def _checked(
    client: KestraClient, flows: list[Flow], settings: Settings, observer: Observer
) -> _Checked:
    """Check offline and by the server."""
    if not flows:
        return _Checked([], [], [], [])
    observer.stage("checking flows to write")
    fine, said, asked = check_everywhere(client, flows, settings)
    return _Checked(flows, fine, said, asked)


def _problems(
    client: KestraClient, changes: Collection[Change], checked: _Checked, scope: Scope
) -> list[Diagnostic]:
    """Everything that is wrong with what would be written, its calls of other flows included."""
    if not checked.flows:
        return []
    from kestra_sync.checks.ignores import drop_ignored

    staying = {
        each.flow_id for each in changes if each.after is not None or each.before is not None
    }
    gone = {each.flow_id for each in changes if each.writes and each.after is None}
    dangling = find_dangling(client, checked.fine, staying - gone, scope, gone=gone)
    return [*checked.said, *checked.asked, *drop_ignored(checked.fine, dangling)]


def find_dangling(
    client: KestraClient,
    desired: Collection[Desired],
    known: Collection[FlowId],
    scope: Scope,
    *,
    gone: Collection[FlowId] = (),
) -> tuple[Diagnostic, ...]:
    """References to flows that are nowhere, validating on the server about those we do not know.

    :param gone: flows that are there still and will not be.
    """
    from kestra_sync.checks.references import check_dangling, dangling

    found = dangling(desired, known)
    targets = {each.reference.target for each in found}
    if not targets:
        return ()
    namespaces = tuple(sorted({each.namespace for each in targets}))
    elsewhere = {each.flow_id for each in client.flows.search(Scope(namespaces, exact=True))}
    return check_dangling(found, elsewhere.difference(gone), scope, known)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether anything in there stops all writing."""
    return any(each.severity is Severity.ERROR for each in diagnostics)
