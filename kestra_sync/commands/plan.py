"""``plan``: what an apply would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kestra_sync.commands.connect import connect, target_of
from kestra_sync.commands.found import check_found
from kestra_sync.commands.gather import Sides, gather, has_errors, scope_of
from kestra_sync.commands.ownership import Ownership, read_ownership
from kestra_sync.commands.recording import owners_of, record_changes, similar_records
from kestra_sync.errors import ExitCode
from kestra_sync.model import (
    Change,
    Desired,
    Diagnostic,
    FlowId,
    Plan,
    Reason,
    Repository,
    Scope,
    Severity,
)
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.compare import Rules
from kestra_sync.plan.guards import (
    GuardInput,
    Refusal,
    check_guards,
    deleted,
    with_invalid,
    with_refused,
)
from kestra_sync.plan.selection import selected
from kestra_sync.settings import OnFirstContact, Prune, Settings

if TYPE_CHECKING:
    from kestra_sync.kestra.client import KestraClient
    from kestra_sync.repo.git import GitError
    from kestra_sync.repo.incomplete import Incomplete


@dataclass(frozen=True)
class PlanResult:
    """A plan, or what kept one from being made.

    :param plan: ``None`` if files could not be understood: what they hold is not known, so
        neither is what would have to change.
    :param desired: every flow that Git holds, by name.
    :param refusals: the guards that speak against carrying it out.
    :param in_sync: the flows that are as recorded, which ``plan`` only counts.
    """

    repository: Repository
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    desired: Mapping[FlowId, Desired]
    refusals: tuple[Refusal, ...] = ()
    ownership: Ownership | None = None

    @property
    def invalid(self) -> bool:
        """Whether errors in the files stop all writing."""
        return has_errors(self.diagnostics)

    def writing_nothing(self) -> PlanResult:
        """The same for a run that only records: what is not written need not be refused."""
        left = tuple(each for each in self.refusals if each.rule != "first-contact")
        return replace(self, refusals=left)

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """3 with errors in the files; 5 and 4 if refused; 2 with changes if ``detailed``."""
        if self.invalid:
            return ExitCode.INVALID
        if self.refusals:
            return max(each.exit_code for each in self.refusals)
        if detailed and self.plan is not None and self.plan.changes_anything:
            return ExitCode.CHANGES
        return ExitCode.OK


def plan(settings: Settings, *, observer: Observer = SILENT) -> PlanResult:
    """Make a plan with a client of its own.

    :raises UsageError: for paths or connection settings that make no sense.
    :raises RefusedError: if the inventory is another repository's, or cannot be used.
    :raises KestraError: if the server cannot be read.
    """
    with connect(settings.connection, settings.parallelism) as client:
        result = make_plan(settings, client, observer=observer)
    check_something(result, settings)
    return result


def check_something(result: PlanResult, settings: Settings) -> None:
    """Refuse a plan that has looked at no flow and changes nothing.

    Where the record lists flows that Git no longer has, the plan says what becomes of them, and
    the guards have a say.

    :raises UsageError: nothing was found.
    """
    plan = result.plan
    if plan is None or plan.writes or any(each.reason.traits.listed for each in plan.changes):
        return
    check_found(result.repository, settings, selected=plan.flows)


def make_plan(
    settings: Settings, client: KestraClient, *, observer: Observer = SILENT
) -> PlanResult:
    """Make a plan with ``client``. Nothing is written, here or on the server."""
    from kestra_sync.commands.early import begin
    from kestra_sync.repo.load import load

    early = begin(client, settings)
    observer.stage("reading the files")
    repository = load(
        settings.paths, ignore=settings.ignore, strict=settings.strict, base=settings.base_path
    )
    if has_errors(repository.diagnostics):
        return PlanResult(repository, None, repository.diagnostics, {})
    scope = scope_of(repository, settings.scope)
    partial = settings.partial or bool(settings.only or settings.exclude)
    if settings.only or settings.exclude:
        repository = replace(
            repository,
            flows=tuple(
                flow
                for flow in repository.flows
                if selected(flow.flow_id, settings.only, settings.exclude)
            ),
        )
    info = early.info()
    ownership = None
    if settings.name:
        ownership = (
            early.ownership()
            if early.ownership is not None
            else read_ownership(client.kv, settings, scope, target_of(client, settings.environment))
        )
    sides = gather(
        client,
        repository,
        scope,
        ownership,
        rules_of(settings),
        settings=settings,
        partial=partial,
        observer=observer,
        sources=early.sources,
    )
    made = Plan(
        target=target_of(client, settings.environment),
        server_version=info.version,
        source=repository.source,
        scope=scope,
        flows=len(sides.desired),
        changes=tuple(each for each in sides.changes if each.reason is not Reason.IN_SYNC),
        unchanged=sum(each.desired is not None and not each.writes for each in sides.changes),
        partial=partial,
    )
    if ownership is not None:
        made = replace(made, record=record_changes(client, made, ownership, sides.others))
    lacking = _not_here(settings, repository) if deleted(made) else None
    not_asked = [_not_asked(each) for each in lacking.problems] if lacking is not None else []
    diagnostics = sorted(
        [*repository.diagnostics, *sides.diagnostics, *not_asked, *similar_records(ownership)],
        key=lambda each: each.sort_key,
    )
    given = _guard_input(
        settings, repository, sides, ownership, scope, info.system_namespace, lacking
    )
    refusals = check_guards(made, given)
    changes = with_invalid(with_refused(made.changes, refusals), diagnostics)
    made = replace(made, changes=changes)
    return PlanResult(repository, made, tuple(diagnostics), sides.desired, refusals, ownership)


def rules_of(settings: Settings) -> Rules:
    """The part of the settings that the comparison looks at."""
    return Rules(
        tracked=settings.name is not None,
        prune_owned=settings.prune is not Prune.NONE,
        prune_all=settings.prune is Prune.SCOPE,
        re_enable=settings.re_enable,
        on_drift=settings.on_drift,
    )


def _not_here(settings: Settings, repository: Repository) -> Incomplete:
    """Git is only asked if something would be deleted."""
    from kestra_sync.repo.not_here import find_not_here

    return find_not_here(
        settings.paths, ignore=settings.ignore, base=settings.base_path, repository=repository
    )


def _not_asked(problem: GitError) -> Diagnostic:
    return Diagnostic(
        "",
        None,
        Severity.WARNING,
        "git-not-asked",
        f"{problem.reason}; completeness of the checkout was determined from the index instead",
        problem.remedy,
    )


def _guard_input(
    settings: Settings,
    repository: Repository,
    sides: Sides,
    ownership: Ownership | None,
    scope: Scope,
    system_namespace: str,
    lacking: Incomplete | None,
) -> GuardInput:
    from kestra_sync.repo.silent import SilentPaths

    doomed = _deleted(sides.changes)
    called = {}
    if doomed:
        from kestra_sync.plan.callers import callers

        called = callers(doomed, _remaining(sides.changes))
    return GuardInput(
        owned=sum(scope.covers(key.namespace) for key in ownership.bases) if ownership else 0,
        live=sides.live,
        prune_scope=settings.prune is Prune.SCOPE,
        silent_paths=SilentPaths(repository),
        not_here=(lambda _flow, _path: None) if lacking is None else lacking.holds,
        owners=owners_of(sides.others, ownership),
        similar=tuple(each.place.full_name for each in ownership.similar) if ownership else (),
        name=ownership.place.full_name if ownership else "",
        first_contact=settings.take_over or settings.on_first_contact is OnFirstContact.OVERWRITE,
        protected=tuple(
            name
            for name in dict.fromkeys((*settings.protect, system_namespace))
            if name not in scope.namespaces
        ),
        callers=called,
        delete_limit=settings.delete_limit,
        update_limit=settings.update_limit,
        allow_large=settings.allow_large,
        allow_skipped_delete=settings.allow_skipped_delete,
        on_drift=settings.on_drift,
    )


def _deleted(changes: tuple[Change, ...]) -> tuple[FlowId, ...]:
    plan_ = [each for each in changes if each.writes and each.after is None]
    moved = [each.moved_from for each in changes if each.moved_from is not None]
    return tuple(each.flow_id for each in (*plan_, *moved))


def _remaining(changes: tuple[Change, ...]) -> list[tuple[FlowId, bytes]]:
    """Every flow that stays, with the source it will have."""
    found = []
    for each in changes:
        source = each.after if each.writes else each.before
        if source is not None:
            found.append((each.flow_id, source))
    return found


def save_plan(result: PlanResult, path: str, options: Mapping[str, Any] | None = None) -> str:
    """Save a plan that can be applied; returns a line that says so, or why not.

    :param options: those that shaped it, for the apply of it.
    :raises UsageError: the file cannot be written.
    """
    from kestra_sync.plan.saved import freeze, save

    if result.plan is None or result.exit_code(detailed=False) is not ExitCode.OK:
        return f"not saved to {path}: this plan cannot be applied"
    saved = replace(freeze(result.plan), options=options or {})
    save(saved, path)
    return f"saved to {path} ({saved.digest})"
