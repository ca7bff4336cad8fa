"""``validate``: every flow of the repository, offline and by the server."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.client.client import connect
from kestra_sync.commands.files import (
    check_found,
    has_errors,
    load_files,
    render_files,
    scope_of,
)
from kestra_sync.errors import ExitCode
from kestra_sync.kinds.flows.check import check, check_dangling, check_offline_rules
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import Diagnostic, Repository
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class ValidateResult:
    """What was checked and what was found.

    :param server: the server that was asked and its version; ``None`` if none was.
    """

    repository: Repository
    diagnostics: tuple[Diagnostic, ...]
    server: str | None

    @property
    def exit_code(self) -> ExitCode:
        """3 if there is an error, else 0: warnings do not fail a run."""
        return ExitCode.INVALID if has_errors(self.diagnostics) else ExitCode.OK


def validate(
    settings: Settings,
    *,
    offline: bool = False,
    kestra: str | None = None,
    observer: Observer = SILENT,
) -> ValidateResult:
    """Load and check everything; a bad file never hides the others.

    The server is asked about every flow, and its word is final: what only our own rules object to
    is a warning then.

    :param offline: do not ask the server.
    :param kestra: offline, check against what this version of Kestra is known to load.
    :raises UsageError: ``kestra`` is none that is known.
    :raises KestraError: if the server should be asked and cannot be.
    """
    from kestra_sync.checks.releases import release_of

    release = None if kestra is None else release_of(kestra)
    observer.stage("reading the files")
    # Whether variables of secrets are set is a question for the plan, not for a pull request.
    repository = load_files(settings, Kinds(settings, secrets=False))
    check_found(
        repository, settings, selected=len(repository.flows) + len(repository.other_resources)
    )
    rendered = render_files(repository, settings)
    found = (*repository.diagnostics, *rendered.diagnostics)
    server = None
    if offline:
        diagnostics = [*found, *check_offline_rules(rendered.desired, settings, release)]
    else:
        from kestra_sync.checks.rules import with_policy_severity

        with connect(settings.connection, settings.parallelism) as client:
            observer.stage("validating on the server")
            server = f"{client.url} (Kestra {client.server_info().version})"
            checked = check(client, rendered.desired, settings, found)
            known = {each.flow_id for each in rendered.desired}
            scope = scope_of(rendered, settings.scope)
            dangling = check_dangling(client, checked.valid, known, scope)
        diagnostics = [
            *found,
            *checked.offline_findings,
            *checked.server_findings,
            *with_policy_severity(dangling, settings.policy),
        ]
    return ValidateResult(
        repository, tuple(sorted(diagnostics, key=lambda each: each.sort_key)), server
    )
