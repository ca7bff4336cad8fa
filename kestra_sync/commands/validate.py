"""``validate``: every flow of the repository, offline and by the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import connect
from kestra_sync.commands.found import check_found
from kestra_sync.errors import ExitCode
from kestra_sync.model import Desired, Diagnostic, Flow, Repository, Severity
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.kestra.client import KestraClient


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
    from kestra_sync.repo.load import load

    release = None if kestra is None else release_of(kestra)
    observer.stage("reading the files")
    repository = load(
        settings.paths, ignore=settings.ignore, strict=settings.strict, base=settings.base_path
    )
    check_found(repository, settings, selected=len(repository.flows))
    server = None
    if offline:
        _, said = check_flows(repository.flows, settings, release)
        diagnostics = [*repository.diagnostics, *said]
    else:
        from kestra_sync.checks.ignores import drop_ignored
        from kestra_sync.checks.policy import weighed
        from kestra_sync.commands.gather import find_dangling, scope_of

        with connect(settings.connection, settings.parallelism) as client:
            observer.stage("validating on the server")
            server = f"{client.url} (Kestra {client.server_info().version})"
            fine, said, asked = check_everywhere(
                client, repository.flows, settings, repository.diagnostics
            )
            known = {each.flow_id for each in repository.flows}
            scope = scope_of(repository, settings.scope)
            dangling = drop_ignored(fine, find_dangling(client, fine, known, scope))
            asked.extend(weighed(dangling, settings.policy))
        diagnostics = [*repository.diagnostics, *said, *asked]
    return ValidateResult(
        repository, tuple(sorted(diagnostics, key=lambda each: each.sort_key)), server
    )


def check_everywhere(
    client: KestraClient,
    flows: Sequence[Flow],
    settings: Settings,
    found: Sequence[Diagnostic] = (),
) -> tuple[list[Desired], list[Diagnostic], list[Diagnostic]]:
    """Check flows offline while the server looks at them.

    :param found: what is wrong with them as far as that is known already.
    :returns: the flows without an error of ours, what we say, and what the server says. Where the
        server has accepted a flow, ours are warnings; what both say is said once.
    :raises KestraError: the server cannot be asked.
    """
    from kestra_sync.checks.ignores import drop_ignored
    from kestra_sync.checks.policy import said_once, settled, weighed
    from kestra_sync.checks.server import check_on_server
    from kestra_sync.kestra.parallel import in_background
    from kestra_sync.render.identity import render

    sent = [render(flow) for flow in flows]
    answer = in_background(lambda: check_on_server(client.flows, sent))
    desired, said = check_flows(flows, settings)
    asked = weighed(drop_ignored(desired, answer()), settings.policy)
    refused = {(each.path, each.flow) for each in asked if each.rule == "kestra-invalid"}
    accepted = {(each.path, each.flow_id) for each in sent} - refused
    said = settled(said, accepted, settings.policy)
    together = said_once(said, asked)
    theirs = set(asked)
    return (
        sound(desired, [*found, *said]),
        [each for each in together if each not in theirs],
        [each for each in together if each in theirs],
    )


def check_flows(
    flows: Sequence[Flow], settings: Settings, release: tuple[int, int] | None = None
) -> tuple[list[Desired], list[Diagnostic]]:
    """Render and check flows offline, the policy of ``settings`` included.

    The desired flows include those that have errors.
    """
    from kestra_sync.checks.ignores import apply_ignores
    from kestra_sync.checks.offline import check_offline
    from kestra_sync.checks.policy import check_policy, weighed
    from kestra_sync.checks.references import check_cycles
    from kestra_sync.render.identity import render

    desired: list[Desired] = []
    diagnostics: list[Diagnostic] = []
    for flow in flows:
        each = render(flow)
        desired.append(each)
        diagnostics.extend(check_offline(each, release))
    diagnostics.extend(check_cycles(desired))
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
