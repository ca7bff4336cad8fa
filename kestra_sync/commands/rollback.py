"""``rollback``: a plan that restores the state of the server after an earlier run.

The history records what each run replaced, and the server keeps the sources as revisions. The plan
is like any other: compared, guarded, shown, and applied by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kestra_sync.commands.files import is_selected
from kestra_sync.commands.ownership import prefetch
from kestra_sync.commands.plan import DesiredState, PlanResult, plan_for
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

#: The run before the most recent one.
LAST = "last"
RULE = "not-restorable"

#: The recorded state of resources at a point in time; ``None`` if a resource did not exist.
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
    """Make the plan that restores the state of the server after a run. Nothing is written.

    Only resources that later runs have written are changed. Later edits by others are conflicts
    there, and left alone everywhere else.

    :param to: the number of a run in the history, or ``last``.
    :param in_part: restore what is possible if the server no longer has every revision.
    :param on_changed_files: as in :func:`kestra_sync.commands.plan.make_plan`.
    :raises UsageError: there is no such run, or it is not known what later runs replaced.
    :raises RefusedError: if the inventory belongs to another repository, or cannot be used.
    :raises KestraError: if the server cannot be read.
    """
    place_in(settings)
    ahead = prefetch(client, settings)
    scope = settings.scope or Scope(())
    info, ownership = ahead.server_info(), ahead.ownership(scope)
    assert ownership is not None  # the settings have a name
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
    desired = _desired_state(kinds, scope, run, before, sources, frozenset(missing))
    # The record and the history name the commit whose flows are deployed afterwards.
    origin = replace(ownership.origin, commit=run.commit, branch=run.branch, dirty=run.dirty)
    ownership = replace(ownership, origin=origin)
    result = plan_for(desired, settings, client, info, ownership, ahead.exported, observer)
    found = (*result.diagnostics, *map(_not_restorable, missing))
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
            "there is nothing to roll back: no apply is recorded",
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
    """Return the state after ``run`` of the resources that later runs have written.

    :raises UsageError: one of those runs did not record it.
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


def _desired_state(
    kinds: Kinds,
    scope: Scope,
    run: HistoryEntry,
    before: _State,
    sources: Mapping[ResourceId, Content],
    missing: frozenset[ResourceId],
) -> DesiredState:
    desired = {
        key: _desired(key, each, sources[key])
        for key, each in before.items()
        if each and key in sources
    }
    flows = [each for key, each in sorted(desired.items()) if key.kind is Kind.FLOW]
    others = {key: each for key, each in desired.items() if key.kind is not Kind.FLOW}
    repository = Repository(
        f"run {run.generation}", 0, tuple(each.flow for each in flows), (), (), others
    )

    def only_since(changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """Leave out what no later run has written, and what cannot be restored."""
        return tuple(
            replace(each, reason=Reason.UNDONE) if each.reason is Reason.REMOVED else each
            for each in changes
            if each.flow_id in before and each.flow_id not in missing
        )

    return DesiredState(
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
    """Read the sources that the server still has; each matches the recorded hash.

    :param recorded: the inventory, which has moved resources under their new names.
    """
    restored = {key: each for key, each in before.items() if each is not None}
    flows = {
        key: Base(each.path, each.file_sha256, frozenset({each.sent_sha256}), each.revision)
        for key, each in restored.items()
        if key.kind is Kind.FLOW
    }
    found: dict[ResourceId, Content] = {}
    if flows:
        found.update(base_sources(client.flows, flows, parallelism=parallelism))
    by_hash = {(key.kind, each.sent_sha256): key for key, each in recorded.items()}
    for key, each in restored.items():
        if key.kind is Kind.FLOW:
            continue
        for name in filter(None, (key, by_hash.get((key.kind, each.sent_sha256)))):
            source = kinds.version(client, name, each.sent_sha256)
            if source is not None:
                found[key] = source
                break
    return found


def _not_restorable(key: ResourceId) -> Diagnostic:
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
