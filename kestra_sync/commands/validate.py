"""``validate``: every flow of the repository, offline and by the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kestra_sync.commands.connect import connect
from kestra_sync.errors import ExitCode
from kestra_sync.model import Desired, Diagnostic, Flow, Repository, Severity
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class ValidateResult:
    """What was looked at and what was found.

    :param server: the server that was asked and its version; ``None`` if none was.
    """

    repository: Repository
    diagnostics: tuple[Diagnostic, ...]
    server: str | None

    @property
    def exit_code(self) -> ExitCode:
        """3 if there is an error, else 0: warnings do not fail a run."""
        failed = any(each.severity is Severity.ERROR for each in self.diagnostics)
        return ExitCode.INVALID if failed else ExitCode.OK


def validate(
    settings: Settings, *, offline: bool = False, observer: Observer = SILENT
) -> ValidateResult:
    """Load and check everything; a bad file never hides the others.

    The server is asked about the flows that have no error offline: about the others it could only
    say the same again.

    :param offline: do not ask the server.
    :raises KestraError: if the server should be asked and cannot be.
    """
    from kestra_sync.repo.load import load

    observer.stage("reading the files")
    repository = load(
        settings.paths, ignore=settings.ignore, strict=settings.strict, base=settings.base_path
    )
    desired, diagnostics = check_flows(repository.flows, settings)
    diagnostics = [*repository.diagnostics, *diagnostics]
    server = None
    if not offline:
        from kestra_sync.checks.ignores import drop_ignored
        from kestra_sync.checks.server import check_on_server
        from kestra_sync.commands.gather import find_dangling, scope_of

        with connect(settings.connection) as client:
            observer.stage("asking the server")
            server = f"{client.url} (Kestra {client.server_info().version})"
            fine = sound(desired, diagnostics)
            asked = list(check_on_server(client.flows, fine))
            known = {each.flow_id for each in desired}
            scope = scope_of(repository, settings.scope)
            asked.extend(find_dangling(client, fine, known, scope))
            diagnostics.extend(drop_ignored(fine, asked))
    return ValidateResult(
        repository, tuple(sorted(diagnostics, key=lambda each: each.sort_key)), server
    )


def check_flows(
    flows: Sequence[Flow], settings: Settings
) -> tuple[list[Desired], list[Diagnostic]]:
    """Render and check flows offline, the policy of ``settings`` included.

    The desired flows include those that have errors.
    """
    from kestra_sync.checks.ignores import apply_ignores
    from kestra_sync.checks.offline import check_offline
    from kestra_sync.checks.policy import check_policy, weighed
    from kestra_sync.render.identity import render

    desired: list[Desired] = []
    diagnostics: list[Diagnostic] = []
    for flow in flows:
        each = render(flow)
        desired.append(each)
        diagnostics.extend(check_offline(each))
    policy, base = settings.policy, settings.base
    source = settings.source or settings.paths
    diagnostics.extend(
        check_policy(desired, policy, source=source, scope=settings.scope, base=base)
    )
    return desired, weighed(apply_ignores(desired, diagnostics, policy, base=base), policy)


def sound(desired: Sequence[Desired], diagnostics: Sequence[Diagnostic]) -> list[Desired]:
    """Those without an error so far."""
    bad = {(each.path, each.flow) for each in diagnostics if each.severity is Severity.ERROR}
    return [each for each in desired if (each.path, each.flow_id) not in bad]
