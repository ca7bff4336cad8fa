"""The last step of a plan: the guards, with their additional inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.commands.files import name_in_files
from kestra_sync.commands.ownership import owners_of
from kestra_sync.model import Change, Diagnostic, FlowId, Kind, Plan, Repository, Severity
from kestra_sync.plan.guards import check_guards, deleted
from kestra_sync.plan.passes import with_refused
from kestra_sync.plan.refusals import GuardInput, Refusal
from kestra_sync.resources import is_in_memory
from kestra_sync.safe.paths import fixed_part
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import ServerInfo
    from kestra_sync.commands.comparison import Comparison
    from kestra_sync.inventory.read import Ownership
    from kestra_sync.repo.git import GitError
    from kestra_sync.repo.incomplete import Incomplete, MissingPath


@dataclass(frozen=True)
class GuardResult:
    """A plan that the guards have seen.

    :param plan: what is refused of it is marked.
    :param diagnostics: what could not be asked.
    """

    plan: Plan
    refusals: tuple[Refusal, ...]
    diagnostics: tuple[Diagnostic, ...]


def guard(
    plan: Plan,
    settings: Settings,
    repository: Repository,
    changes: tuple[Change, ...],
    compared: Comparison,
    ownership: Ownership | None,
    info: ServerInfo,
    *,
    in_git: bool = True,
) -> GuardResult:
    """Ask the guards about ``plan``.

    :param changes: those of the plan, and the flows that are in sync.
    :param in_git: Git should hold what the plan does: it is asked about what is deleted.
    """
    from kestra_sync.repo.load import FilesWithoutFlows

    incomplete = _incomplete(settings, repository) if in_git and deleted(plan) else None
    callers = {}
    if doomed := _deleted(changes):
        from kestra_sync.plan.order import callers as callers_of

        callers = callers_of(doomed, _remaining(changes))
    scope = plan.scope
    bases = ownership.bases if ownership is not None else {}
    owned = Counter(key.kind for key in bases if scope.covers(key.namespace))
    refusals = check_guards(
        plan,
        GuardInput(
            owned=owned.pop(Kind.FLOW, 0),
            live=compared.live,
            settings=settings,
            owned_beside=owned,
            live_beside=compared.live_beside,
            without_flow=FilesWithoutFlows(repository) if in_git else lambda _path: False,
            not_here=_held_back(incomplete, settings),
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
            begins=ownership is not None and ownership.inventory is None,
        ),
    )
    problems = () if incomplete is None else tuple(map(_not_asked, incomplete.problems))
    return GuardResult(
        replace(plan, changes=with_refused(plan.changes, refusals)), refusals, problems
    )


def _held_back(
    incomplete: Incomplete | None, settings: Settings
) -> Callable[[FlowId, str | None], MissingPath | None]:
    """Where Git may still hold a flow of the server: the files have it under their own name."""
    if incomplete is None:
        return lambda _flow, _path: None
    holds = incomplete.holds

    def find(flow: FlowId, path: str | None) -> MissingPath | None:
        return holds(name_in_files(flow, settings), path)

    return find


def _incomplete(settings: Settings, repository: Repository) -> Incomplete:
    """Git is only asked if something would be deleted."""
    from kestra_sync.repo.load import flows_in
    from kestra_sync.repo.not_here import find_not_here

    beside = (*(each.path for each in settings.files), *settings.kv)
    paths = tuple(dict.fromkeys((*settings.paths, *map(fixed_part, beside))))
    return find_not_here(
        paths,
        ignore=settings.ignore,
        base=settings.base_path,
        repository=repository,
        flows_in=flows_in,
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


def _deleted(changes: tuple[Change, ...]) -> tuple[FlowId, ...]:
    plan_ = [each for each in changes if each.writes and each.after is None and _is_flow(each)]
    moved = [each.moved_from for each in changes if each.moved_from is not None]
    return tuple(each.flow_id for each in (*plan_, *moved) if _is_flow(each))


def _is_flow(change: Change) -> bool:
    return change.flow_id.kind is Kind.FLOW


def _remaining(changes: tuple[Change, ...]) -> list[tuple[FlowId, bytes]]:
    """Every flow that stays, with the source it will have."""
    found = []
    for each in changes:
        source = each.after if each.writes else each.before
        if is_in_memory(source) and _is_flow(each):
            found.append((each.flow_id, source))
    return found
