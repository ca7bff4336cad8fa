"""``graph``: the dependency graph and, with a server, the changes of an apply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kestra_sync.commands.files import check_found, is_selected, load_files, render_files
from kestra_sync.commands.plan import plan
from kestra_sync.errors import ExitCode
from kestra_sync.model import Change, Diagnostic, Repository, Severity
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.graph import Graph, around, build_graph, marks_of, sources_of
from kestra_sync.repo.load import parse_flow
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class GraphResult:
    """The flows of the files and what they refer to.

    :param diagnostics: what keeps some of the files from being drawn.
    :param server: the server whose flows were compared; ``None`` if none was asked.
    """

    repository: Repository
    graph: Graph
    diagnostics: tuple[Diagnostic, ...]
    server: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """3 if a file could not be understood: what it refers to is not drawn."""
        wrong = any(each.severity is Severity.ERROR for each in self.diagnostics)
        return ExitCode.INVALID if wrong else ExitCode.OK


def graph(settings: Settings, *, offline: bool = False, observer: Observer = SILENT) -> GraphResult:
    """Draw the flows of the files. ``only`` and ``exclude`` choose among them; what they share an
    edge with stays.

    :param offline: do not ask the server what would change.
    :raises KestraError: if the server should be asked and cannot be.
    """
    everything = replace(settings, only=(), exclude=())
    changes: Iterable[Change] = ()
    server = None
    if offline:
        repository, diagnostics = _files(everything, observer)
    else:
        planned = plan(replace(everything, allow_empty=True), observer=observer)
        # Whether the changes are valid is the business of other commands.
        repository, diagnostics = planned.repository, planned.repository.diagnostics
        if planned.plan is not None:
            changes = planned.plan.changes
            server = f"{planned.plan.target.url} (Kestra {planned.plan.server_version})"
    rendered = render_files(repository, settings)
    chosen = [each.flow_id for each in rendered.desired if is_selected(each.flow_id, settings)]
    check_found(repository, settings, selected=len(chosen))
    observer.stage("drawing")
    diagnostics = (*diagnostics, *_unreadable(repository, diagnostics))
    git = [(each.flow_id, each.sent, each.path) for each in rendered.desired]
    drawn = build_graph(sources_of(git, changes), marks_of(changes))
    if settings.only or settings.exclude:
        centres = [node.flow_id for node in drawn.nodes if is_selected(node.flow_id, settings)]
        drawn = around(drawn, centres)
    return GraphResult(repository, drawn, diagnostics, server)


def _unreadable(repository: Repository, known: Iterable[Diagnostic]) -> Iterable[Diagnostic]:
    """What loading did not notice, since it only looks for the names: here all is parsed."""
    seen = set(known)
    for flow in repository.flows:
        parsed = parse_flow(flow)
        if isinstance(parsed, tuple):
            yield from (each for each in parsed if each not in seen)


def _files(settings: Settings, observer: Observer) -> tuple[Repository, tuple[Diagnostic, ...]]:
    observer.stage("reading the files")
    repository = load_files(settings)
    return repository, repository.diagnostics
