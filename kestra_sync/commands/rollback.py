"""``rollback``: a plan that restores what the server held after an earlier run.

The history says what each run replaced, and the server keeps the sources as revisions. So the plan
is one like any other: compared, guarded, shown, and carried out by the same code as an apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kestra_sync.commands.files import is_selected
from kestra_sync.commands.ownership import prefetch
from kestra_sync.commands.plan import PlanResult, Wanted, plan_for
from kestra_sync.commands.records import place_in
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.inventory.read import Ownership
from kestra_sync.inventory.record import HistoryEntry, Inventory, Resource
from kestra_sync.kinds.flows.read import base_sources
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import (
    Base,
    Change,
    Desired,
    Diagnostic,
    Document,
    Flow,
    Kind,
    Reason,
    Repository,
    ResourceId,
    Scope,
    Severity,
    counted,
)
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.refusals import Refusal
from kestra_sync.render import Rendered
from kestra_sync.resources import Content
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

#: The run before the newest one.
LAST = "last"
RULE = "not-restorable"

#: What resources were at a time; ``None`` for one that did not exist.
_State = dict[ResourceId, Resource | None]


def make_rollback(
    settings: Settings,
    client: KestraClient,
    to: str,
    *,
    in_part: bool = False,
    observer: Observer = SILENT,
    on_changed_files: Callable[[Ownership], None] | None = None,
) -> PlanResult:
    """Make the plan that restores what the server held after a run. Nothing is written.

    Only what later runs have written is touched. What others have edited since is a conflict, or
    left alone if no run of ours has written it.

    :param to: the number of a run in the history, or ``last``.
    :param in_part: restore the rest if the server does not keep everything.
    :param on_changed_files: as in :func:`kestra_sync.commands.plan.make_plan`.
    :raises UsageError: there is no such run, or it cannot be told what later runs replaced.
    :raises RefusedError: if the inventory is another repository's, or cannot be used.
    :raises KestraError: if the server cannot be read.
    """
    place_in(settings)
    ahead = prefetch(client, settings)
    scope = settings.scope or Scope(())
    info, ownership = ahead.server_info(), ahead.ownership(scope)
    assert ownership is not None  # there is a name
    inventory = ownership.inventory
    run = _named(inventory, to)
    assert inventory is not None
    before = {
        key: each
        for key, each in _replaced_since(inventory, run).items()
        if scope.covers(key.namespace)
        and is_selected(key, settings)
        and (each is None or inventory.resources.get(key) != each)
    }
    if before and on_changed_files is not None:
        on_changed_files(ownership)
    observer.stage("reading the revisions")
    kinds = Kinds(settings, client.tenant, secrets=False, observer=observer)
    sources = _sources(client, kinds, before, inventory.resources, settings.parallelism)
    missing = sorted(key for key, each in before.items() if each and key not in sources)
    wanted = _wanted(kinds, scope, run, before, sources, frozenset(missing))
    # The record and the history name the commit whose flows are there afterwards.
    origin = replace(ownership.origin, commit=run.commit, branch=run.branch, dirty=run.dirty)
    ownership = replace(ownership, origin=origin)
    result = plan_for(wanted, settings, client, info, ownership, ahead.exported, observer)
    found = (*result.diagnostics, *map(_not_kept, missing))
    refusals = result.refusals if in_part or not missing else (*result.refusals, _refusal(missing))
    return replace(
        result,
        diagnostics=tuple(sorted(found, key=lambda each: each.sort_key)),
        refusals=refusals,
    )


def _named(inventory: Inventory | None, to: str) -> HistoryEntry:
    history = inventory.history if inventory is not None else ()
    if not history:
        raise UsageError(
            "nothing was applied yet, so there is nothing to roll back",
            remedy="see 'kestra-sync history'",
        )
    if to == LAST:
        if len(history) < 2:
            raise UsageError(
                f"there is only one run in the history, {history[0].generation}",
                remedy="to remove what it deployed, delete the flows from Git and apply",
            )
        return history[-2]
    for run in history:
        if str(run.generation) == to:
            return run
    numbers = ", ".join(str(each.generation) for each in history[-5:])
    raise UsageError(
        f"there is no run {to} in the history",
        remedy=f"use a number from 'kestra-sync history', or last; the newest are {numbers}",
    )


def _replaced_since(inventory: Inventory, run: HistoryEntry) -> _State:
    """What the resources that later runs have written were after ``run``.

    :raises UsageError: one of those runs did not keep it.
    """
    found: _State = {}
    for later in reversed(inventory.history):
        if later == run:
            break
        if later.replaced is None:
            raise UsageError(
                f"the history does not contain what run {later.generation} replaced",
                remedy="check out the commit of that run and apply it: runs by kestra-sync before"
                " 0.2, and all but the latest 1,000 writes, cannot be rolled back",
            )
        found.update(later.replaced)
    return found


def _wanted(
    kinds: Kinds,
    scope: Scope,
    run: HistoryEntry,
    before: _State,
    sources: Mapping[ResourceId, Content],
    missing: frozenset[ResourceId],
) -> Wanted:
    desired = {
        key: _desired(key, each, sources[key])
        for key, each in before.items()
        if each and key in sources
    }
    flows = [each for key, each in sorted(desired.items()) if key.kind is Kind.FLOW]
    beside = {key: each for key, each in desired.items() if key.kind is not Kind.FLOW}
    repository = Repository(
        f"run {run.generation}", 0, tuple(each.flow for each in flows), (), (), beside
    )

    def only_since(changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """Leave out what no later run has written, and what is not kept."""
        return tuple(
            replace(each, reason=Reason.UNDONE) if each.reason is Reason.REMOVED else each
            for each in changes
            if each.flow_id in before and each.flow_id not in missing
        )

    return Wanted(
        kinds,
        repository,
        Rendered(tuple(flows)),
        scope,
        partial=False,
        touched=frozenset(before),
        refine=(only_since,),
        rollback_to=run.generation,
    )


def _desired(key: ResourceId, resource: Resource, source: Content) -> Desired:
    return Desired(Flow(key, Document(resource.path, 0, 1, source)), source)


def _sources(
    client: KestraClient,
    kinds: Kinds,
    before: _State,
    recorded: Mapping[ResourceId, Resource],
    parallelism: int,
) -> dict[ResourceId, Content]:
    """The sources that the server still keeps; each has the hash that was recorded.

    :param recorded: what is in the inventory. What was moved is there under its new name.
    """
    wanted = {key: each for key, each in before.items() if each is not None}
    flows = {
        key: Base(each.path, each.file_sha256, frozenset({each.sent_sha256}), each.revision)
        for key, each in wanted.items()
        if key.kind is Kind.FLOW
    }
    found: dict[ResourceId, Content] = {}
    if flows:
        found.update(base_sources(client.flows, flows, parallelism=parallelism))
    moved = {(key.kind, each.sent_sha256): key for key, each in recorded.items()}
    for key, each in wanted.items():
        if key.kind is Kind.FLOW:
            continue
        for name in filter(None, (key, moved.get((key.kind, each.sent_sha256)))):
            source = kinds.version(client, name, each.sent_sha256)
            if source is not None:
                found[key] = source
                break
    return found


def _not_kept(key: ResourceId) -> Diagnostic:
    return Diagnostic(
        "",
        None,
        Severity.WARNING,
        RULE,
        f"{key} cannot be restored: {key.kind.traits.not_kept}",
        "check out the commit of that run and apply it",
        key,
    )


def _refusal(missing: list[ResourceId]) -> Refusal:
    return Refusal(
        RULE,
        f"{counted(missing)} cannot be restored",
        "to restore the rest, pass --partial",
        ExitCode.REFUSED,
    )
