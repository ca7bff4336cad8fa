"""The graph of a report: all of it while it is small, else what is around the changes."""

from __future__ import annotations

from kestra_sync.model import Kind
from kestra_sync.plan.graph import (
    Graph,
    NodeMark,
    around,
    build_graph,
    marks_of,
    related,
    sources_of,
)
from kestra_sync.report.report import Report


def report_graph(report: Report, limit: int, *, whole: bool = True) -> Graph | None:
    """``None`` if there are no references to draw, or more than ``limit`` flows.

    :param whole: all flows rather than those around the changes, while they are ``limit`` at most.
    """
    git = [(key, each.sent, each.path) for key, each in report.desired.items()]
    if not git and report.repository is not None:
        git = [(each.flow_id, each.document.data, each.path) for each in report.repository.flows]
    changes = report.plan.changes if report.plan is not None else ()
    marks = marks_of(changes)
    if report.drifted is not None:
        flows = [each for each in report.drifted if each.flow_id.kind is Kind.FLOW]
        marks = {each.flow_id: NodeMark.DRIFT for each in flows}
    sources = sources_of(git, changes)
    if whole and len(sources) <= limit:
        graph = build_graph(sources, marks)
    elif marks:
        # A large repository is not parsed for the sake of a picture.
        graph = around(build_graph(related(sources, marks), marks), marks)
    else:
        return None
    return graph if graph.edges and len(graph.nodes) <= limit else None
