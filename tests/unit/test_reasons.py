"""The table of reasons is the only place with the properties of a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest

from kestra_sync.commands.drift import drifted
from kestra_sync.model import Action, Base, Change, FlowId, Reason, sha256
from kestra_sync.plan.compare import needs_reading, with_invalid
from kestra_sync.plan.graph import NodeMark, marks_of
from kestra_sync.reasons import Alert, ReasonTable, Traits
from kestra_sync.report.lines import note, sign, summary
from kestra_sync.report.plan_text import plan_lines
from tests.support.code import ROOT, nodes, paths
from tests.support.plans import change, plan, source
from tests.support.schemas import schema


def _reasons(node: ast.AST) -> list[str]:
    """The members of ``Reason`` that stand side by side in a collection or a call."""
    items: list[ast.expr] = []
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        items = list(node.elts)
    elif isinstance(node, ast.Dict):
        items = [each for each in node.keys if each is not None]
    elif isinstance(node, ast.Call):
        items = list(node.args)
    return [
        each.attr
        for each in items
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id == "Reason"
    ]


def _collections(among: Iterable[ast.AST]) -> Iterator[list[str]]:
    for node in among:
        found = _reasons(node)
        if len(found) > 1:
            yield found


def test_no_module_keeps_a_set_of_reasons() -> None:
    """A set in another module would miss a new reason."""
    kept = {path.name: list(_collections(nodes(path))) for path in paths()}
    assert {name: found for name, found in kept.items() if found} == {}
    for text in ("{Reason.A, Reason.B}", "x in (Reason.A, Reason.B)", "f(Reason.A, Reason.B)"):
        assert list(_collections(ast.walk(ast.parse(text)))) == [["A", "B"]]


def test_a_new_reason_is_one_row() -> None:
    """Text, summary, graph, reads and drift follow from its traits."""
    words = "renamed by the moon"
    make: Any = ReasonTable
    table = make(
        "Table",
        [
            ("LUNAR", ("lunar", Traits(words, alert=Alert.DRIFT, edited=True))),
            ("TIDAL", ("tidal", Traits("left to the tide", group=9))),
        ],
    )
    lunar, tidal = cast("Reason", table.LUNAR), cast("Reason", table.TIDAL)
    assert str(lunar) == "lunar"
    live = source("b", "edited")
    row = change(Action.UPDATE, lunar, "a", before=live, after=source("a"))
    left = change(Action.NONE, tidal, "b", before=live)
    made = plan([row, left])
    assert (sign(row), note(row)) == ("!", words)
    assert summary(made) == "Plan: 1 drifted, 210 unchanged."
    text = "\n".join(each.text for each in plan_lines(made, {}))
    assert words in text
    assert "1 flow left to the tide:\n    acme/b" in text
    assert marks_of([row]) == {row.flow_id: NodeMark.DRIFT}
    assert needs_reading((row, left)) == (row.flow_id,)
    ours = {row.flow_id: Base("flows/a.yaml", "", frozenset({sha256(source("a"))}))}
    assert list(drifted([row], ours)) == [row]


@pytest.mark.parametrize("name", ["result", "drift"])
def test_the_schemas_name_every_reason(name: str) -> None:
    """In the JSON of a plan and of drift."""
    found = [each for each in _enums(schema(name)) if "kept-off" in each]
    assert found
    for each in found:
        assert sorted(each) == sorted(map(str, Reason))


def test_the_page_has_every_reason() -> None:
    """The three-way table and what is below it explain each."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [each for each in Reason if f"`{each}`" not in page] == []


def _enums(value: object) -> Iterator[list[str]]:
    if isinstance(value, dict):
        if isinstance(value.get("enum"), list):
            yield value["enum"]
        for each in value.values():
            yield from _enums(each)


def test_re_enabled_is_drift_everywhere() -> None:
    """A flow disabled on the server counts as an edit, in the text, the counts and the graph."""
    made = plan([change(Action.UPDATE, Reason.RE_ENABLED, "a", before=b"x", after=source("a"))])
    assert sign(made.changes[0]) == "!"
    assert summary(made) == "Plan: 1 drifted, 210 unchanged."
    assert list(marks_of(made.changes).values()) == [NodeMark.DRIFT]


def _invalid(*diagnostics: Any) -> tuple[Change, ...]:
    changes = (
        change(Action.CREATE, Reason.NEW, "a", after=source("a")),
        change(Action.UPDATE, Reason.DRIFT, "b", before=source("x"), after=source("b")),
        change(Action.DELETE, Reason.REMOVED, "c", before=source("c")),
    )
    return with_invalid(changes, diagnostics)


def test_invalid_flows_are_marked_in_the_plan() -> None:
    """By the flow that an error names, else by its file; warnings do not matter."""
    from kestra_sync.model import Diagnostic, Severity

    of_flow = Diagnostic(
        "flows/many.yaml", None, Severity.ERROR, "schema", "is wrong", flow=FlowId("acme", "a")
    )
    of_file = Diagnostic("flows/b.yaml", None, Severity.ERROR, "schema", "is wrong")
    warning = Diagnostic("flows/a.yaml", None, Severity.WARNING, "schema", "is odd")
    assert not any(each.invalid for each in _invalid(warning))
    changes = _invalid(of_flow, of_file, warning)
    assert [each.invalid for each in changes] == [True, True, False]
    text = [each.text for each in plan_lines(plan(changes), {})]
    assert text[2:5] == [
        "  x acme/a   flows/a.yaml   invalid, cannot be applied",
        "  x acme/b   flows/b.yaml   invalid, cannot be applied; " + Reason.DRIFT.traits.note,
        "  - acme/c   no longer in Git",
    ]
