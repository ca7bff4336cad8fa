"""The dependency graph, its layout, and its formats."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.cli.main import run
from kestra_sync.model import Action, FlowId, Reason
from kestra_sync.plan.graph import (
    Edge,
    Graph,
    GraphNode,
    NodeLocation,
    NodeMark,
    Source,
    around,
    build_graph,
    marks_of,
    related,
    sources_of,
)
from kestra_sync.repo.document import ReferenceKind
from kestra_sync.report.graph_dot import dot, quoted
from kestra_sync.report.graph_layout import HEIGHT, Layout, layout
from kestra_sync.report.graph_mermaid import label, mermaid
from kestra_sync.report.graph_svg import svg
from kestra_sync.report.graph_text import graph_json, graph_lines
from kestra_sync.report.report_graph import report_graph
from kestra_sync.settings import Settings
from tests.support.golden import check_golden
from tests.support.schemas import check_result
from tests.support.sources import log_flow

from .samples import HOSTILE, changed, hostile, reports

_SVG = "{http://www.w3.org/2000/svg}"
_SUBFLOW = "io.kestra.plugin.core.flow.Subflow"
_EACH = "io.kestra.plugin.core.flow.ForEachItem"
_TRIGGER = "io.kestra.plugin.core.trigger.Flow"


def flow(name: str, *calls: str, each: str = "", after: str = "") -> Source:
    """A flow of the namespace ``n`` that calls others, or is triggered by one."""
    text = log_flow("n", name)
    for number, called in enumerate(calls):
        text += f"  - {{id: c{number}, type: {_SUBFLOW}, namespace: n, flowId: '{called}'}}\n"
    if each:
        text += f"  - {{id: each, type: {_EACH}, namespace: n, flowId: {each}}}\n"
    if after:
        upstream = f"{{flows: [{{namespace: n, flowId: {after}}}]}}"
        text += f"triggers:\n  - {{id: t, type: {_TRIGGER}, preconditions: {upstream}}}\n"
    return Source(FlowId("n", name), text.encode(), f"flows/{name}.yaml")


def sample() -> Graph:
    """A flow of every kind, marked in every way."""
    sources = [
        flow("start", "load", "audit"),
        flow("load", "audit", each="batch"),
        flow("batch", "{{ inputs.next }}"),
        flow("report", "audit", "elsewhere", after="load"),
        flow("audit"),
        flow("alone"),
        flow("lonely"),
    ]
    marks = {
        FlowId("n", "load"): NodeMark.UPDATE,
        FlowId("n", "batch"): NodeMark.CREATE,
        FlowId("n", "report"): NodeMark.DRIFT,
        FlowId("n", "lonely"): NodeMark.DELETE,
    }
    return build_graph(sources, marks)


@pytest.mark.parametrize("name", ["mermaid", "dot", "svg", "txt", "json"])
def test_golden(name: str) -> None:
    """Every way to draw it."""
    graph = sample()
    drawn = {
        "mermaid": lambda: mermaid(graph),
        "dot": lambda: dot(graph),
        "svg": lambda: svg(graph),
        "txt": lambda: "".join(f"{each.text}\n" for each in graph_lines(graph)),
        "json": lambda: json.dumps(graph_json(graph), indent=2) + "\n",
    }[name]()
    check_golden(f"formats/graph.{name}", drawn)


def test_graph__edges_lead_to_the_callee() -> None:
    """A trigger is named by the flow that waits, and its edge comes from the one it waits for."""
    graph = build_graph([flow("a", "b"), flow("b"), flow("c", after="a")])
    a, b, c = (FlowId("n", name) for name in "abc")
    assert graph.edges == (
        Edge(a, b, ReferenceKind.SUBFLOW),
        Edge(a, c, ReferenceKind.FLOW_TRIGGER),
    )
    assert [each.waits for each in graph.edges] == [False, True]


def test_graph__missing_targets_are_nodes() -> None:
    """Elsewhere, or only known at run time."""
    graph = build_graph([flow("a", "gone", "{{ inputs.x }}")])
    places = {node.flow_id.id: node.place for node in graph.nodes}
    assert places == {
        "a": NodeLocation.GIT,
        "gone": NodeLocation.ELSEWHERE,
        "{{ inputs.x }}": NodeLocation.COMPUTED,
    }


def test_unparsable__flow_has_no_references() -> None:
    """It hides nothing else."""
    graph = build_graph([Source(FlowId("n", "bad"), b"{"), flow("a", "bad")])
    assert len(graph.nodes) == 2
    assert len(graph.edges) == 1


def test_marks_come_from_the_plan() -> None:
    """Both places of a move; what others edited."""
    gone = changed(Action.DELETE, Reason.MOVED, "n/old", log_flow("n", "old"))
    changes = [
        changed(Action.MOVE, Reason.MOVED, "n/new", after="x", moved_from=gone),
        changed(Action.UPDATE, Reason.DRIFT, "n/edited", "x", "y"),
        changed(Action.NONE, Reason.FOREIGN, "n/foreign", "x"),
    ]
    assert marks_of(changes) == {
        FlowId("n", "new"): NodeMark.CREATE,
        FlowId("n", "old"): NodeMark.DELETE,
        FlowId("n", "edited"): NodeMark.DRIFT,
    }
    drawn = build_graph(sources_of([(FlowId("n", "new"), b"x", "new.yaml")], changes))
    assert [(node.flow_id.id, node.place) for node in drawn.nodes] == [
        ("new", NodeLocation.GIT),
        ("old", NodeLocation.ELSEWHERE),
    ]


def test_around_keeps_the_neighbours() -> None:
    """And the edges to them, but not those between them."""
    graph = build_graph([flow("a", "b", "c"), flow("b", "c"), flow("c", "d"), flow("e")])
    kept = around(graph, [FlowId("n", "a")])
    assert [node.flow_id.id for node in kept.nodes] == ["a", "b", "c"]
    assert len(kept.edges) == 2


def test_related_parses_nothing() -> None:
    """A source that does not hold the name has no edge with it."""
    sources = [flow("a", "needle"), flow("b"), flow("needle")]
    found = related(sources, [FlowId("n", "needle")])
    assert [each.flow_id.id for each in found] == ["a", "needle"]


def test_large_reports_are_drawn_around_their_changes() -> None:
    """Not at all if those are too many, or nothing changes."""
    plan = reports()["plan"]
    assert report_graph(plan, 250) is not None
    small = report_graph(plan, 1)
    assert small is None
    nothing = report_graph(reports()["valid"], 1)
    assert nothing is None
    whole = report_graph(reports()["valid"], 250)
    assert whole is not None
    assert {node.mark for node in whole.nodes} == {None}


_NAMES = [FlowId("n", f"f{number}") for number in range(9)]
_GRAPHS = st.builds(
    lambda edges: Graph(tuple(GraphNode(name) for name in _NAMES), tuple(sorted(set(edges)))),
    st.lists(
        st.builds(
            Edge,
            st.sampled_from(_NAMES),
            st.sampled_from(_NAMES),
            st.sampled_from(list(ReferenceKind)),
        ),
        max_size=16,
    ),
)


@given(_GRAPHS)
def test_graph__layout_contains_everything_without_overlaps(graph: Graph) -> None:
    """Cycles, flows that call themselves and several edges of one kind included."""
    drawn = layout(graph)
    assert sorted(box.node.flow_id for box in drawn.boxes) == _NAMES
    assert [way.edge for way in drawn.ways] == list(graph.edges)
    for one, other in combinations(drawn.boxes, 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart_y = one.y + HEIGHT <= other.y or other.y + HEIGHT <= one.y
        assert apart_x or apart_y
    for box in drawn.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawn.width
        assert box.y + HEIGHT <= drawn.height
    _ends_at_boxes(drawn)


def _ends_at_boxes(drawn: Layout) -> None:
    boxes = {box.node.flow_id: box for box in drawn.boxes}
    for way in drawn.ways:
        start, end = boxes[way.edge.origin], boxes[way.edge.target]
        assert way.points[0][0] in (start.x, start.x + start.width)
        assert way.points[0][1] == start.middle
        assert way.points[-1][0] in (end.x, end.x + end.width)
        assert way.points[-1][1] == end.middle


def test_graph__callers_are_left_of_their_callees() -> None:
    """And long edges go through places of their own."""
    drawn = layout(build_graph([flow("a", "b", "c"), flow("b", "c"), flow("c")]))
    left = {box.node.flow_id.id: box.x for box in drawn.boxes}
    assert left["a"] < left["b"] < left["c"]
    long = next(way for way in drawn.ways if way.edge.origin.id + way.edge.target.id == "ac")
    assert len(long.points) == 4


def test_an_empty_graph_is_drawn() -> None:
    """An empty graph is not an error."""
    assert layout(Graph()).boxes == ()
    assert ET.fromstring(svg(Graph())).tag == f"{_SVG}svg"
    assert mermaid(Graph()) == "flowchart LR\n"


@given(st.lists(st.text(st.characters(codec=None), min_size=1, max_size=12), max_size=4))
def test_no_name_breaks_a_drawing(names: list[str]) -> None:
    """Invalid names of flows, as a broken file or a server may have them."""
    ids = [FlowId(name, name) for name in dict.fromkeys(names)]
    edges = tuple(Edge(one, other, ReferenceKind.SUBFLOW) for one in ids for other in ids)
    _sound(Graph(tuple(GraphNode(each, mark=NodeMark.DRIFT, path=each.id) for each in ids), edges))


def test_attacks_break_no_drawing() -> None:
    """Scripts, quotes, line ends, control characters."""
    graph = report_graph(hostile(), 250)
    assert graph is not None
    assert any(HOSTILE[0] in str(node.flow_id) for node in graph.nodes)
    _sound(graph)


def _sound(graph: Graph) -> None:
    drawn = svg(graph, address=lambda flow_id: "#flow-1" if len(flow_id.id) % 2 else None)
    root = ET.fromstring(drawn)
    allowed = {"svg", "style", "defs", "marker", "path", "title", "g", "rect", "text", "a"}
    assert {each.tag.removeprefix(_SVG) for each in root.iter()} <= allowed
    assert len(root.findall(f".//{_SVG}rect")) == len(graph.nodes)
    lines = mermaid(graph).splitlines()
    nodes = [each for each in lines if re.fullmatch(r'  n\d+\["[\w #;./()-]*"\](:::\w+)?', each)]
    arrows = [
        each
        for each in lines
        if re.fullmatch(r"  n\d+ (-->|-- each -->|-\. trigger \.->) n\d+", each)
    ]
    styles = [each for each in lines if each.startswith("  classDef ")]
    assert len(nodes) == len(graph.nodes)
    assert len(arrows) == len(graph.edges)
    assert len(lines) == 1 + len(nodes) + len(arrows) + len(styles)
    text = dot(graph)
    strings = re.sub(r'"(?:[^"\\\n]|\\.)*"', "S", text)
    assert '"' not in strings
    assert len(re.findall(r"^  S( \[.*\])?;$", strings, re.MULTILINE)) == len(graph.nodes)
    assert len(re.findall(r"^  S -> S( \[.*\])?;$", strings, re.MULTILINE)) == len(graph.edges)
    for each in (drawn, mermaid(graph), text):
        assert not re.search(r"^\s*::|##\[", each, re.MULTILINE)
        each.encode()


def test_escapes_of_the_languages() -> None:
    """Mermaid by numbers, Graphviz by backslashes."""
    assert label('a"`<b>#;') == "a#34;#96;#60;b#62;#35;#59;"
    assert quoted('a"\\N\n') == '"a\\"\\\\N\\\\x0a"'


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """Three flows and a broken file."""
    folder = tmp_path / "flows"
    folder.mkdir()
    for source in (flow("a", "b"), flow("b"), flow("c", after="a")):
        (folder / f"{source.flow_id.id}.yaml").write_bytes(source.data)
    return folder


def test_the_command_draws(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, and in additional files."""
    target = flows.parent / "out" / "graph.svg"
    more = ["-o", f"svg={target}", "-o", f"dot={target.with_suffix('.dot')}"]
    assert run(["graph", str(flows), "--offline", "--format", "mermaid", *more]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("flowchart LR\n")
    assert printed.err == ""
    assert ET.parse(target).getroot().tag == f"{_SVG}svg"
    assert target.with_suffix(".dot").read_text().startswith("digraph flows {")


def test_the_command_takes_a_part(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The selected flows and their neighbors."""
    assert run(["graph", str(flows), "--offline", "--format", "json", "--only", "n/b"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    assert [node["flow"]["id"] for node in document["nodes"]] == ["a", "b"]
    assert document["server"] is None
    assert document["exit_code"] == 0


def test_graph__invalid_file_is_reported_and_the_rest_drawn(
    flows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3: what it refers to is missing."""
    (flows / "bad.yaml").write_text("id: bad\nnamespace: n\ntasks: [\n")
    assert run(["graph", str(flows), "--offline"]) == 3
    printed = capsys.readouterr()
    assert "n/a\n    calls n/b\n    triggers n/c\n" in printed.out
    assert "bad.yaml" in printed.err


@pytest.mark.parametrize("wrong", ["html=x", "svg", "svg=", "=x"])
def test_the_command_knows_its_formats(
    wrong: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is read."""
    monkeypatch.chdir(tmp_path)  # where a failure leaves its report
    assert run(["graph", "--offline", "-o", wrong]) == 64
    assert "formats: text, mermaid, dot, svg, json" in capsys.readouterr().err


def test_graph__server_shows_planned_changes(
    flows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan is made as usual, for all flows whatever was chosen; broken files hide it."""
    from kestra_sync.commands import graph as module
    from kestra_sync.commands.plan import PlanResult

    from .samples import ERROR, planned, repository

    asked = []

    def plan(settings: Settings, **_: object) -> PlanResult:
        asked.append(settings.only)
        return planned()

    monkeypatch.setattr(module, "plan", plan)
    options = ["--url", "http://localhost:8080", "--format", "json"]
    assert run(["graph", str(flows), *options, "--only", "company.sales"]) == 0
    assert asked == [()]
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    assert document["server"] == "http://localhost:8080 (Kestra 1.3.25)"
    changes = {node["flow"]["id"]: node["change"] for node in document["nodes"]}
    assert changes == {
        "load_orders": "create",
        "old_report": "delete",
        "report": "update",
        "notify": None,
    }
    broken = PlanResult(replace(repository(), diagnostics=(ERROR,)), None, (ERROR,), {})
    monkeypatch.setattr(module, "plan", lambda _settings, **_: broken)
    assert run(["graph", str(flows), *options]) == 3
    assert json.loads(capsys.readouterr().out)["server"] is None


def test_flows__without_references_are_in_rows() -> None:
    """As many in a row as there is room for."""
    drawn = layout(
        Graph(tuple(GraphNode(FlowId("namespace", "x" * 40 + str(n))) for n in range(9)))
    )
    assert len({box.y for box in drawn.boxes}) > 1
    assert drawn.width < 1000
    text = [
        each.text
        for each in graph_lines(Graph((GraphNode(FlowId("n", "a"), mark=NodeMark.CREATE),)))
    ]
    assert text == ["+ n/a", "1 flow without references", "1 flow, 0 references between them."]
