"""The ``plan`` command: computes what an apply would do."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kestra_sync.client.client import connect, target_of
from kestra_sync.commands.comparison import (
    OtherResources,
    check_planned,
    compare_with_server,
    only_touched,
    passes,
    read_live,
    record_of_touched,
)
from kestra_sync.commands.files import (
    check_found,
    has_errors,
    incomplete_in_git,
    load_files,
    may_be_in_git,
    not_asked,
    only_selected,
    render_files,
    scope_of,
    stamp_of,
)
from kestra_sync.commands.ownership import (
    differs,
    owners_of,
    prefetch,
    record_changes,
    similar_records,
)
from kestra_sync.errors import ExitCode
from kestra_sync.inventory.read import Ownership
from kestra_sync.kinds.flows.snapshot import unusable_names
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import (
    Change,
    Desired,
    Diagnostic,
    FlowId,
    Kind,
    Plan,
    Reason,
    Repository,
    ResourceId,
    Scope,
)
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.compare import Pass, refined, with_invalid, with_refused
from kestra_sync.plan.guards import check_guards, deleted
from kestra_sync.plan.refusals import GuardInput, Refusal
from kestra_sync.render import Rendered, with_stamps
from kestra_sync.resources import is_in_memory
from kestra_sync.settings import Prune, Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient, ServerInfo
    from kestra_sync.commands.comparison import Comparison
    from kestra_sync.commands.triggers import TriggerChanges
    from kestra_sync.triggers.changes import TriggerKey


@dataclass(frozen=True)
class PlanResult:
    """A plan, or the reason why there is none.

    :param plan: ``None`` if files could not be parsed: the desired state is not known.
    :param desired: all flows in Git, by name.
    :param refusals: why guards refuse the plan.
    :param triggers: the effect of the changes on triggers, by flow.
    :param kinds: reads and writes the resources that are not flows.
    :param enabling: the triggers that an apply enables, as defined in Git, by flow and id.
    """

    repository: Repository
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    desired: Mapping[FlowId, Desired]
    refusals: tuple[Refusal, ...] = ()
    ownership: Ownership | None = None
    triggers: TriggerChanges = field(default_factory=dict)
    kinds: Kinds | None = field(default=None, repr=False, compare=False)
    enabling: tuple[TriggerKey, ...] = ()

    @property
    def invalid(self) -> bool:
        """Whether errors in the files stop all writing."""
        return has_errors(self.diagnostics)

    @property
    def changes_anything(self) -> bool:
        """Whether an apply would write or record something, or enable a trigger."""
        return bool(self.enabling) or (self.plan is not None and self.plan.changes_anything)

    def writing_nothing(self) -> PlanResult:
        """Return this plan for a run that only records: refusals of single writes do not apply."""
        remaining = tuple(each for each in self.refusals if each.rule != "first-contact")
        return replace(self, refusals=remaining)

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """3 with errors in the files; 5 and 4 if refused; 2 with changes if ``detailed``."""
        if self.invalid:
            return ExitCode.INVALID
        if self.refusals:
            return max(each.exit_code for each in self.refusals)
        if detailed and self.changes_anything:
            return ExitCode.CHANGES
        return ExitCode.OK


def plan(settings: Settings, *, observer: Observer = SILENT) -> PlanResult:
    """Connect to the server and make a plan.

    :raises UsageError: if paths or connection settings are not valid.
    :raises RefusedError: if the inventory belongs to another repository, or cannot be used.
    :raises KestraError: if the server cannot be read.
    """
    with connect(settings.connection, settings.parallelism) as client:
        result = make_plan(settings, client, observer=observer)
    check_something(result, settings)
    return result


def check_something(result: PlanResult, settings: Settings) -> None:
    """Reject a plan without any flows or changes.

    If the record lists flows that are no longer in Git, the plan shows what happens to them, and
    the guards decide.

    :raises UsageError: nothing was found.
    """
    plan = result.plan
    if plan is None or plan.writes or any(each.reason.traits.listed for each in plan.changes):
        return
    check_found(result.repository, settings, selected=plan.resources)


def make_plan(
    settings: Settings,
    client: KestraClient,
    *,
    observer: Observer = SILENT,
    on_changed_files: Callable[[Ownership], None] | None = None,
    secrets: bool = True,
) -> PlanResult:
    """Make a plan with ``client``. Nothing is written, here or on the server.

    :param on_changed_files: called early, before the plan is complete, if the files differ from
        the last applied state.
    :param secrets: require that the variables that hold values of keys are set.
    """
    ahead = prefetch(client, settings)

    observer.stage("reading the files")
    kinds = Kinds(settings, client.tenant, secrets=secrets, observer=observer)
    repository = load_files(settings, kinds)
    if has_errors(repository.diagnostics):
        return PlanResult(repository, None, repository.diagnostics, {})

    rendered = render_files(repository, settings)
    scope = scope_of(rendered, settings.scope, repository.other_resources)
    partial = settings.partial or bool(settings.only or settings.exclude)
    repository, rendered = only_selected(repository, rendered, settings)

    desired = DesiredState(kinds, repository, rendered, scope, partial)
    info, ownership = ahead.server_info(), ahead.ownership(scope)
    if on_changed_files is not None and ownership is not None:
        flows = {each.flow_id: each for each in rendered.desired}
        resources = {**flows, **repository.other_resources}
        prunes = not partial and settings.prune is not Prune.NONE
        if differs(ownership, resources, scope, prunes=prunes):
            on_changed_files(ownership)
    return plan_for(desired, settings, client, info, ownership, ahead.exported, observer)


@dataclass(frozen=True)
class DesiredState:
    """The state that the server should have, and the limits of a plan for it.

    :param partial: only part of the repository was selected: nothing is deleted.
    :param touched: only these resources are compared; ``None`` compares all in the scope.
    :param refine: passes over the changes in addition to those of every plan.
    :param rollback_to: the run whose result is restored; ``None`` if the state is that of the
        files.
    """

    kinds: Kinds
    repository: Repository
    rendered: Rendered
    scope: Scope
    partial: bool
    touched: frozenset[ResourceId] | None = None
    refine: tuple[Pass, ...] = ()
    rollback_to: int | None = None


def plan_for(
    desired: DesiredState,
    settings: Settings,
    client: KestraClient,
    info: ServerInfo,
    ownership: Ownership | None,
    exported: Callable[[], tuple[bytes, ...]] | None,
    observer: Observer,
) -> PlanResult:
    """Read the server and compare it with the desired state.

    :param exported: waits for the export of the scope, if it has already been requested.
    :raises KestraError: if the server cannot be read.
    """
    repository, rendered, scope = desired.repository, desired.rendered, desired.scope
    kinds, partial, restoring = desired.kinds, desired.partial, desired.rollback_to is not None
    live = read_live(client, settings, scope, rendered.desired, exported, observer)

    if not restoring:
        rendered = with_stamps(
            rendered,
            live.flows,
            stamp_of(settings),
            [label for label, _ in settings.rendering.stamp],
        )
    others = OtherResources(kinds, repository.other_resources, partial)
    compared = compare_with_server(
        client,
        settings,
        scope,
        rendered.desired,
        only_touched(live.flows, desired.touched),
        others,
        record_of_touched(ownership, desired.touched),
        observer,
    )
    refine = [*passes(settings, compared, partial=partial), *desired.refine]
    changes = refined(compared.changes, refine)
    compared = replace(compared, live=len(live.flows), changes=changes)

    problems = check_planned(client, settings, scope, compared, kinds, observer)

    plan = _plan_of(client, settings, desired, compared, info, ownership)
    guarded = run_guards(plan, settings, desired, compared, ownership, info)

    found = (
        *repository.diagnostics,
        *rendered.diagnostics,
        *problems,
        *unusable_names(live.unusable - compared.desired.keys()),
        *similar_records(ownership),
        *guarded.diagnostics,
    )
    diagnostics = tuple(sorted(found, key=lambda each: each.sort_key))
    plan = replace(guarded.plan, changes=with_invalid(guarded.plan.changes, diagnostics))
    written = [each for each in plan.changes if each.flow_id.kind is Kind.FLOW]
    triggers = {} if settings.display_only else _triggers(client, written)
    flows = {key: each for key, each in compared.desired.items() if key.kind is Kind.FLOW}
    return PlanResult(
        repository, plan, diagnostics, flows, guarded.refusals, ownership, triggers, kinds
    )


def _plan_of(
    client: KestraClient,
    settings: Settings,
    desired: DesiredState,
    compared: Comparison,
    info: ServerInfo,
    ownership: Ownership | None,
) -> Plan:
    """Return the plan for what was compared, before the guards check it."""
    changes, others = compared.changes, desired.repository.other_resources
    plan = Plan(
        target=target_of(client, settings.environment),
        server_version=info.version,
        source=desired.repository.source,
        scope=desired.scope,
        flows=sum(key.kind is Kind.FLOW for key in compared.desired),
        other_counts=Counter(each.kind for each in others),
        changes=tuple(each for each in changes if each.reason is not Reason.IN_SYNC),
        unchanged=sum(each.desired is not None and not each.writes for each in changes),
        partial=desired.partial,
        rollback_to=desired.rollback_to,
    )
    if ownership is None:
        return plan
    return replace(plan, record=record_changes(plan, ownership, compared.others))


def _triggers(client: KestraClient, written: Sequence[Change]) -> TriggerChanges:
    """Compute the effect of the changes on triggers; most flows have none."""
    sources = [each for it in written for each in (it.before, it.after) if is_in_memory(each)]
    if not any(b"trigger" in each for each in sources):
        return {}
    from kestra_sync.commands.triggers import planned_triggers

    return planned_triggers(client, written)


def save_plan(
    result: PlanResult, path: str, options: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    """Save a plan that can be applied. Return the messages: where it is and how to apply it.

    :param options: the options that shaped it, to be used when it is applied.
    :raises UsageError: the file cannot be written.
    """
    from kestra_sync.plan.saved import freeze, save

    if result.plan is None or result.exit_code(detailed=False) is not ExitCode.OK:
        return (f"not saved to {path}: this plan cannot be applied",)
    saved = replace(freeze(result.plan), options=options or {})
    save(saved, path)
    command = shlex.join(["kestra-sync", "apply", "--plan", path])
    return f"saved to {path} ({saved.digest})", f"apply exactly this plan: {command}"


@dataclass(frozen=True)
class GuardResult:
    """A plan that was checked by the guards.

    :param plan: with the refused changes marked.
    :param diagnostics: what could not be checked.
    """

    plan: Plan
    refusals: tuple[Refusal, ...]
    diagnostics: tuple[Diagnostic, ...]


def run_guards(
    plan: Plan,
    settings: Settings,
    desired: DesiredState,
    compared: Comparison,
    ownership: Ownership | None,
    info: ServerInfo,
) -> GuardResult:
    """Check ``plan`` with the guards."""
    from kestra_sync.repo.load import FileWithoutFlowCheck

    repository = desired.repository
    in_git = desired.rollback_to is None  # Git is searched for what would be deleted
    incomplete = incomplete_in_git(settings, repository) if in_git and deleted(plan) else None
    callers = {}
    if doomed := tuple(each.flow_id for each in deleted(plan) if _is_flow(each)):
        from kestra_sync.plan.order import callers as callers_of

        callers = callers_of(doomed, _remaining(compared.changes))
    scope = plan.scope
    bases = ownership.bases if ownership is not None else {}
    owned = Counter(key.kind for key in bases if scope.covers(key.namespace))
    refusals = check_guards(
        plan,
        GuardInput(
            owned=owned.pop(Kind.FLOW, 0),
            live=compared.live,
            settings=settings,
            owned_others=owned,
            live_others=compared.live_others,
            without_flow=FileWithoutFlowCheck(repository) if in_git else lambda _path: False,
            missing_path=may_be_in_git(incomplete, settings),
            owners=owners_of(compared.others, ownership),
            similar=tuple(each.place.full_name for each in ownership.similar) if ownership else (),
            name=ownership.place.full_name if ownership else "",
            protected=tuple(
                name
                for name in dict.fromkeys((*settings.protect, info.system_namespace))
                if name not in scope.namespaces
            ),
            callers=callers,
            ours=compared.bases.keys(),
            first_apply=ownership is not None and ownership.inventory is None,
        ),
    )
    problems = () if incomplete is None else tuple(map(not_asked, incomplete.problems))
    return GuardResult(
        replace(plan, changes=with_refused(plan.changes, refusals)), refusals, problems
    )


def _is_flow(change: Change) -> bool:
    return change.flow_id.kind is Kind.FLOW


def _remaining(changes: tuple[Change, ...]) -> list[tuple[FlowId, bytes]]:
    """Return every flow that remains, with the source it will have."""
    found = []
    for each in changes:
        source = each.after if each.writes else each.before
        if is_in_memory(source) and _is_flow(each):
            found.append((each.flow_id, source))
    return found
