"""The first step of a command: the files, the selected part of them, and their scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kestra_sync.configured import Stamp
from kestra_sync.errors import UsageError
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import (
    Diagnostic,
    FlowId,
    Repository,
    ResourceId,
    Scope,
    Severity,
    plural,
)
from kestra_sync.render import Rendered, render, unmap_namespace
from kestra_sync.resources import selected
from kestra_sync.safe.paths import fixed_part
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.repo.git import GitError
    from kestra_sync.repo.incomplete import IncompleteCheckout, MissingPath

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def load_files(
    settings: Settings, kinds: Kinds | None = None, flows: Repository | None = None
) -> Repository:
    """Load everything in the paths of ``settings``.

    :param kinds: loads the resources that are not flows; ``None`` leaves them out.
    :param flows: the flows in these paths, if they were loaded before.
    :raises UsageError: for a path that does not exist.
    """
    from kestra_sync.repo.load import load

    if flows is None:
        flows = load(
            settings.paths,
            ignore=settings.ignore,
            strict=settings.strict,
            base=settings.base_path,
            exclude=(kinds or Kinds(settings, secrets=False)).paths(),
            allow_missing=settings.new_paths,
        )
    if kinds is None or not kinds.configured:
        return flows
    loaded = kinds.load()
    return replace(
        flows,
        skipped=(*flows.skipped, *loaded.skipped),
        diagnostics=tuple(
            sorted((*flows.diagnostics, *loaded.diagnostics), key=lambda it: it.sort_key)
        ),
        other_resources=loaded.desired,
    )


def render_files(repository: Repository, settings: Settings) -> Rendered:
    """Render the flows for the server of the environment."""
    return render(
        repository.flows, settings.rendering, scope=settings.scope, partial=settings.partial
    )


def scope_of(
    rendered: Rendered, configured: Scope | None, others: Iterable[ResourceId] = ()
) -> Scope:
    """Return the configured scope, or exactly the namespaces that the flows are sent to.

    :param others: the resources that are sent in addition to flows.
    """
    if configured is not None:
        return configured
    names = {each.flow_id.namespace for each in rendered.desired}
    return Scope(tuple(sorted(names.union(each.namespace for each in others))), exact=True)


def only_selected(
    repository: Repository, rendered: Rendered, settings: Settings
) -> tuple[Repository, Rendered]:
    """Keep the resources that ``--only`` and ``--exclude`` select."""
    if not (settings.only or settings.exclude):
        return repository, rendered
    desired = tuple(
        each
        for each in rendered.desired
        if is_selected(each.flow_id, settings, here=each.flow.flow_id)
    )
    flows = tuple(each.flow for each in desired)
    others = {
        key: each for key, each in repository.other_resources.items() if is_selected(key, settings)
    }
    return replace(repository, flows=flows, other_resources=others), replace(
        rendered, desired=desired
    )


def is_selected(there: FlowId, settings: Settings, *, here: FlowId | None = None) -> bool:
    """Whether ``--only`` and ``--exclude`` select a flow, by its name on the server or in files.

    A pattern may match either name; the flow is excluded if either name is.

    :param here: the name in the files, where it is known.
    """
    here = here or name_in_files(there, settings)
    if here == there:
        return selected(there, settings.only, settings.exclude)
    included = selected(here, settings.only, ()) or selected(there, settings.only, ())
    return included and all(selected(each, (), settings.exclude) for each in (here, there))


def name_in_files(flow_id: FlowId, settings: Settings) -> FlowId:
    """Return the name in the files of a flow on the server; unchanged if that is uncertain."""
    namespace = unmap_namespace(settings.rendering, flow_id.namespace)
    return replace(flow_id, namespace=namespace or flow_id.namespace)


def stamp_of(settings: Settings) -> Stamp:
    """Return the labels to stamp, with values; those with unknown values are left out."""
    stamp = settings.rendering.stamp
    if not stamp:
        return ()
    from kestra_sync.inventory.record import origin

    known = {
        "commit": origin().commit,
        "environment": settings.environment,
        "name": settings.name,
    }
    return tuple(
        (label, _PLACEHOLDER.sub(lambda match: known[match[1]] or "", template))
        for label, template in stamp
        if all(known.get(name) for name in _PLACEHOLDER.findall(template))
    )


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of these prevents all writes."""
    return any(each.severity is Severity.ERROR for each in diagnostics)


def check_found(repository: Repository, settings: Settings, *, selected: int) -> None:
    """Fail without flows, unless that is allowed: an empty run must not succeed.

    Errors in the files are reported first.

    :param selected: how many flows are selected.
    :raises UsageError: it is zero.
    """
    if selected or settings.allow_empty or has_errors(repository.diagnostics):
        return
    if settings.only or settings.exclude:
        raise UsageError(
            f"no flow matches {_patterns(settings)}",
            remedy="names and patterns are written acme.sales/report or acme.sales/*; to allow it,"
            " pass --allow-empty",
        )
    files = f" in {plural(repository.files, 'YAML file')}" if repository.files else ""
    raise UsageError(
        f"no flows found in {repository.source}{files}",
        remedy="check the paths and the ignore rules; to allow it, pass --allow-empty",
    )


def _patterns(settings: Settings) -> str:
    but = f"--exclude {' '.join(settings.exclude)}"
    included = ", ".join(settings.only)
    return f"{included}, with {but}" if included and settings.exclude else included or but


def may_be_in_git(
    incomplete: IncompleteCheckout | None, settings: Settings
) -> Callable[[FlowId, str | None], MissingPath | None]:
    """Find where Git may still have a flow of the server, by its name in the files."""
    if incomplete is None:
        return lambda _flow, _path: None
    find_missing = incomplete.find

    def find(flow: FlowId, path: str | None) -> MissingPath | None:
        return find_missing(name_in_files(flow, settings), path)

    return find


def incomplete_in_git(settings: Settings, repository: Repository) -> IncompleteCheckout:
    """Find what the checkout lacks; only needed if something would be deleted."""
    from kestra_sync.repo.load import flows_in
    from kestra_sync.repo.missing import find_missing

    others = (*(each.path for each in settings.files), *settings.kv)
    paths = tuple(dict.fromkeys((*settings.paths, *map(fixed_part, others))))
    return find_missing(
        paths,
        ignore=settings.ignore,
        base=settings.base_path,
        repository=repository,
        flows_in=flows_in,
    )


def not_asked(problem: GitError) -> Diagnostic:
    """Warn that Git could not be queried."""
    return Diagnostic(
        "",
        None,
        Severity.WARNING,
        "git-not-asked",
        f"{problem.reason}; completeness of the checkout was determined from the index instead",
        problem.remedy,
    )
