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
    """The flows in the files and their references.

    :param diagnostics: why some of the files are not in the graph.
    :param server: the server that the flows were compared with; ``None`` if there was none.
    """

    repository: Repository
    graph: Graph
    diagnostics: tuple[Diagnostic, ...]
    server: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """3 if a file cannot be parsed: its references are missing."""
        wrong = any(each.severity is Severity.ERROR for each in self.diagnostics)
        return ExitCode.INVALID if wrong else ExitCode.OK


def graph(settings: Settings, *, offline: bool = False, observer: Observer = SILENT) -> GraphResult:
    """Build the graph of the flows in the files. ``only`` and ``exclude`` select flows; their
    direct neighbors are included.

    :param offline: do not compare with the server.
    :raises KestraError: if the server cannot be read.
    """
    everything = replace(settings, only=(), exclude=())
    changes: Iterable[Change] = ()
    server = None
    if offline:
        repository, diagnostics = _files(everything, observer)
    else:
        planned = plan(replace(everything, allow_empty=True), observer=observer)
        # Other commands report whether the changes are valid.
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
    """Return parse errors that loading, which only scans for names, did not find."""
    seen = set(known)
    for flow in repository.flows:
        parsed = parse_flow(flow)
        if isinstance(parsed, tuple):
            yield from (each for each in parsed if each not in seen)


def _files(settings: Settings, observer: Observer) -> tuple[Repository, tuple[Diagnostic, ...]]:
    observer.stage("reading the files")
    repository = load_files(settings)
    return repository, repository.diagnostics
