"""The graph of a report: complete if it is small, otherwise the changes and their neighbors."""

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
    """Return the graph; ``None`` without references, or with more than ``limit`` flows.

    :param whole: include all flows if there are at most ``limit``, not only those near changes.
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
        # A large repository is not parsed just for a drawing.
        graph = around(build_graph(related(sources, marks), marks), marks)
    else:
        return None
    return graph if graph.edges and len(graph.nodes) <= limit else None
