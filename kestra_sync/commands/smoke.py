"""``smoke``: runs the smoke tests of the flows on the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.apply.run import defer_signals
from kestra_sync.client.client import connect
from kestra_sync.client.errors import KestraError
from kestra_sync.commands.files import is_selected
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.executions.subject import look_at, unknown_inputs
from kestra_sync.inventory.record import origin
from kestra_sync.model import Diagnostic, FlowId, Severity
from kestra_sync.observer import SILENT, Observer
from kestra_sync.render import map_namespace
from kestra_sync.settings import Settings
from kestra_sync.smoke.find import find_spec_files
from kestra_sync.smoke.input_files import InputFiles
from kestra_sync.smoke.progress import SmokeObserver
from kestra_sync.smoke.result import SmokeResult, SmokeRun
from kestra_sync.smoke.runner import run_smoke
from kestra_sync.smoke.spec import Keep, SmokeSettings, SmokeSpec
from kestra_sync.smoke.spec_file import LoadedSpecs, load_spec_files, specs_of

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

#: Used by the command line, which shows the progress of each execution.
__all__ = [
    "SmokeObserver",
    "SmokeReport",
    "SmokeResult",
    "SmokeRun",
    "SmokeSpec",
    "load_specs",
    "smoke",
    "smoke_settings",
]


@dataclass(frozen=True)
class SmokeReport:
    """The result of the command.

    :param result: ``None`` if the tests cannot be parsed, and none were run.
    :param server: URL, version and tenant; ``""`` if it was not contacted.
    """

    diagnostics: tuple[Diagnostic, ...]
    result: SmokeResult | None = None
    server: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """3 if the tests cannot be parsed, else the exit code of their result."""
        return ExitCode.INVALID if self.result is None else self.result.exit_code


def smoke(
    settings: Settings,
    *,
    keep: str | None = None,
    observer: Observer = SILENT,
) -> SmokeReport:
    """Run all smoke tests of ``settings.paths`` and of the configuration.

    :param keep: ``never``, ``on-failure`` or ``always``; overrides the setting of the tests.
    :raises UsageError: there is no test to run.
    :raises KestraError: the server cannot be reached.
    """
    observer.stage("reading the smoke tests")
    loaded = load_specs(settings)
    if any(each.severity is Severity.ERROR for each in loaded.diagnostics):
        return SmokeReport(loaded.diagnostics)
    specs = [spec for spec in loaded.specs if is_selected(spec.flow, settings)]
    if not specs:
        # Success without having tested anything would be misleading.
        raise UsageError(
            "no smoke tests to run" + (" for these flows" if loaded.specs else ""),
            remedy="write one in a *.smoke.yaml file next to the flow; see docs/smoke.md",
        )
    with connect(settings.connection, settings.parallelism) as client, defer_signals() as stop:
        version = client.server_info().version
        wrong = tuple(_unknown_inputs(client, specs))
        if wrong:
            return SmokeReport((*loaded.diagnostics, *wrong))
        result = run_smoke(
            client,
            specs,
            None,
            {},
            settings=smoke_settings(settings, keep=keep),
            observer=observer,
            stop=stop,
        )
        server = f"{client.url} (Kestra {version}, tenant {client.tenant})"
    return SmokeReport(loaded.diagnostics, result, server)


def _unknown_inputs(client: KestraClient, specs: Iterable[SmokeSpec]) -> Iterator[Diagnostic]:
    """Report each input that the flow on the server does not have."""
    for spec in specs:
        if spec.inputs:
            try:
                known = look_at(client, spec.flow, spec.inputs, None).inputs
            except KestraError:
                continue  # the test itself tells
            yield from unknown_input_errors(spec, known)


def unknown_input_errors(spec: SmokeSpec, known: frozenset[str] | None) -> Iterator[Diagnostic]:
    """Report each input of a test that is not among the ``known`` inputs of its flow."""
    for _, words in unknown_inputs(spec.inputs, known):
        yield Diagnostic(
            spec.path,
            spec.position,
            Severity.ERROR,
            "smoke-unknown-input",
            words,
            "Kestra ignores unknown inputs, so the test would prove nothing",
            spec.flow,
        )


def load_specs(settings: Settings) -> LoadedSpecs:
    """Load the tests next to the flows, then those of the configuration.

    :raises UsageError: for a path that does not exist.
    """
    files = find_spec_files(settings.paths, ignore=settings.ignore, base=settings.base_path)
    sendable = InputFiles(
        settings.source or settings.paths,
        settings.ignore,
        settings.base_path,
        settings.allow_files,
    )
    loaded = load_spec_files(files, sendable)
    if settings.smoke is not None:
        loaded += specs_of(settings.smoke, sendable)
    if not settings.rendering.namespaces:
        return loaded
    # Tests use the name in the files; the flow runs under its name on the server.
    specs = tuple(
        replace(
            each,
            flow=FlowId(map_namespace(settings.rendering, each.flow.namespace), each.flow.id),
        )
        for each in loaded.specs
    )
    return replace(loaded, specs=specs)


def smoke_settings(settings: Settings, *, keep: str | None = None) -> SmokeSettings:
    """Return how tests are run with these settings, from this checkout."""
    return SmokeSettings(
        parallelism=settings.parallelism, keep=Keep(keep) if keep else None, commit=origin().commit
    )
