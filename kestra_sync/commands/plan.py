"""``plan``: what an apply would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import connect, target_of
from kestra_sync.commands.gather import gather, has_errors, scope_of
from kestra_sync.errors import ExitCode
from kestra_sync.model import Base, Desired, Diagnostic, FlowId, Plan, Reason, Repository
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.compare import Rules
from kestra_sync.settings import Prune, Settings

if TYPE_CHECKING:
    from kestra_sync.kestra.client import KestraClient


@dataclass(frozen=True)
class PlanResult:
    """A plan, or what kept one from being made.

    :param plan: ``None`` if files could not be understood: what they hold is not known, so
        neither is what would have to change.
    :param desired: every flow that Git holds, by name.
    """

    repository: Repository
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    desired: Mapping[FlowId, Desired]

    @property
    def invalid(self) -> bool:
        """Whether errors in the files stop all writing."""
        return has_errors(self.diagnostics)

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """3 with errors in the files; 2 with changes if ``detailed``; else 0."""
        if self.invalid:
            return ExitCode.INVALID
        if detailed and self.plan is not None and self.plan.writes:
            return ExitCode.CHANGES
        return ExitCode.OK


def plan(settings: Settings, *, observer: Observer = SILENT) -> PlanResult:
    """Make a plan with a client of its own.

    :raises UsageError: for paths or connection settings that make no sense.
    :raises KestraError: if the server cannot be read.
    """
    with connect(settings.connection) as client:
        return make_plan(settings, client, observer=observer)


def make_plan(
    settings: Settings, client: KestraClient, *, observer: Observer = SILENT
) -> PlanResult:
    """Make a plan with ``client``. Nothing is written, here or on the server."""
    from kestra_sync.repo.load import load

    observer.stage("reading the files")
    repository = load(settings.paths, ignore=settings.ignore, strict=settings.strict)
    if has_errors(repository.diagnostics):
        return PlanResult(repository, None, repository.diagnostics, {})
    scope = scope_of(repository, settings.scope)
    bases: dict[FlowId, Base] = {}
    rules = Rules(
        tracked=False,
        prune_owned=settings.prune is not Prune.NONE,
        prune_all=settings.prune is Prune.SCOPE,
        re_enable=settings.re_enable,
        on_drift=settings.on_drift,
    )
    version = client.server_info().version
    sides = gather(
        client,
        repository,
        scope,
        bases,
        rules,
        parallelism=settings.parallelism,
        observer=observer,
    )
    changes = tuple(each for each in sides.changes if each.reason is not Reason.IN_SYNC)
    made = Plan(
        target=target_of(client),
        server_version=version,
        source=repository.source,
        scope=scope,
        flows=len(sides.desired),
        changes=changes,
        unchanged=sum(each.desired is not None and not each.writes for each in sides.changes),
    )
    diagnostics = sorted(
        [*repository.diagnostics, *sides.diagnostics], key=lambda each: each.sort_key
    )
    return PlanResult(repository, made, tuple(diagnostics), sides.desired)
