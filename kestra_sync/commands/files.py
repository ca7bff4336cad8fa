"""The first step of a command: the files, the selected part of them, and their scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.errors import UsageError
from kestra_sync.model import Diagnostic, Repository, Scope, Severity
from kestra_sync.plan.selection import selected
from kestra_sync.settings import Settings


def load_files(settings: Settings) -> Repository:
    """Everything in the paths of ``settings``.

    :raises UsageError: for a path that does not exist.
    """
    from kestra_sync.repo.load import load

    return load(
        settings.paths, ignore=settings.ignore, strict=settings.strict, base=settings.base_path
    )


def scope_of(repository: Repository, configured: Scope | None) -> Scope:
    """The scope: as configured, or exactly the namespaces that the files name."""
    if configured is not None:
        return configured
    return Scope(tuple(sorted({flow.flow_id.namespace for flow in repository.flows})), exact=True)


def only_selected(repository: Repository, settings: Settings) -> Repository:
    """The repository with the flows that ``--only`` and ``--exclude`` leave."""
    if not (settings.only or settings.exclude):
        return repository
    flows = (
        flow for flow in repository.flows if selected(flow.flow_id, settings.only, settings.exclude)
    )
    return replace(repository, flows=tuple(flows))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether anything in there stops all writing."""
    return any(each.severity is Severity.ERROR for each in diagnostics)


def check_found(repository: Repository, settings: Settings, *, selected: int) -> None:
    """Refuse to continue without flows, unless that is allowed: an empty run must not be green.

    Errors in the files are reported first, where there are any.

    :param selected: how many flows are selected.
    :raises UsageError: it is zero.
    """
    if selected or settings.allow_empty or has_errors(repository.diagnostics):
        return
    if settings.only or settings.exclude:
        raise UsageError(
            "no flow matches --only and --exclude",
            remedy="check the patterns, such as acme.sales/*; to allow it, pass --allow-empty",
        )
    files = f" in {repository.files} YAML files" if repository.files else ""
    raise UsageError(
        f"no flows found in {repository.source}{files}",
        remedy="check the paths and the ignore rules; to allow it, pass --allow-empty",
    )
