"""Policy tests that are not possible with the case files in ``tests/cases/policy``."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.checks.policy import active_rules, below, check_policy, ignored_paths
from kestra_sync.checks.policy_rules.path import expand, folders, template_problem
from kestra_sync.checks.rules import FINAL, RULES, adjustable_rules
from kestra_sync.configured import Policy
from kestra_sync.model import Desired, Document, Flow, FlowId, Position, Scope, Severity


def desired(source: str, path: str = "flows/a.yaml", first_line: int = 1) -> Desired:
    """A flow called ``company.team/report``, whatever the source says."""
    data = source.encode()
    flow_id = FlowId("company.team", "report")
    return Desired(Flow(flow_id, Document(path, 0, first_line, data)), data)


def test_no_policy_asks_for_nothing() -> None:
    assert active_rules(Policy()) == frozenset()
    assert check_policy([desired("id: [")], Policy()) == ()


@pytest.mark.parametrize("source", ["id: [", "- a", "text"])
def test_policy__ignores_what_is_not_a_flow(source: str) -> None:
    assert check_policy([desired(source)], Policy({"read_only": True})) == ()


def test_policy__disabled_rule_is_not_run() -> None:
    policy = Policy({"read_only": True}, severity={"policy-read-only": None})
    assert check_policy([desired("id: report\n")], policy) == ()


def test_places_count_in_the_file() -> None:
    (found,) = check_policy(
        [desired("id: report\nlabels: {}\n", first_line=11)], Policy({"read_only": True})
    )
    assert found.position == Position(12, 1)
    assert found.flow == FlowId("company.team", "report")
    assert found.severity is Severity.ERROR


@pytest.mark.parametrize("labels", ["text", "[text]", "[{key: team}]", "{team: {a: 1}}", "~"])
def test_policy_label__invalid_values_count_as_missing(labels: str) -> None:
    found = check_policy(
        [desired(f"id: report\nlabels: {labels}\n")], Policy({"require_labels": ["team"]})
    )
    assert [each.rule for each in found] == ["policy-required-label"]


def test_policy__leaves_ignored_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = Policy({"read_only": True}, ignore=("flows/drafts/", "*.tmp.yaml", "/only/**"))
    paths = [
        "flows/a.yaml",
        "flows/drafts/a.yaml",
        "flows/drafts/deep/a.yaml",
        "flows/a.tmp.yaml",
        "only/a.yaml",
        "flows/only/a.yaml",
    ]
    assert ignored_paths(paths, policy) == {paths[1], paths[2], paths[3], paths[4]}
    assert ignored_paths(["conf/flows/drafts/a.yaml"], policy, "conf")
    # What is not below the configuration cannot be named by it.
    assert not ignored_paths(["flows/drafts/a.yaml"], policy, "conf")
    found = check_policy([desired("id: a\n", path) for path in paths], policy)
    assert [each.path for each in found] == [paths[0], paths[5]]


@pytest.mark.parametrize(
    ("file", "source", "relative"),
    [
        ("flows/a/b.yaml", ("flows",), "a/b.yaml"),
        ("flows/a/b.yaml", ("flows/",), "a/b.yaml"),
        ("flows/a/b.yaml", (".",), "flows/a/b.yaml"),
        ("flows/a/b.yaml", (".", "flows/a", "flows"), "b.yaml"),
        ("flows/b.yaml", ("flows/b.yaml",), "b.yaml"),
        ("flows/b.yaml", ("other",), "flows/b.yaml"),
        ("flows/b.yaml", (), "flows/b.yaml"),
        ("../x/flows/b.yaml", ("../x/flows",), "b.yaml"),
    ],
)
def test_paths_are_reported_below_the_source(
    file: str, source: tuple[str, ...], relative: str
) -> None:
    assert below(file, source) == relative


def test_folders_of_a_namespace() -> None:
    assert folders("a.b.c", None) == ["a/b/c"]
    assert folders("a.b.c", Scope(("a", "a.b", "x", "a.b.c"))) == ["a/b/c", "b/c", "c"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{namespace}/{id}.yaml", None),
        ("{folders}/*.yaml", None),
        ("*.yaml", "has no placeholder"),
        ("flows", "has no placeholder"),
        ("{id", "unbalanced"),
        ("id}", "unbalanced"),
        ("{team}/{id}", "unknown placeholder '{team}'"),
        ("{}/{id}", "unknown placeholder '{}'"),
    ],
)
def test_templates(template: str, problem: str | None) -> None:
    said = template_problem(template)
    assert (said is None) == (problem is None)
    assert problem is None or problem in str(said)


def test_what_looks_special_in_a_template_is_itself() -> None:
    policy = Policy({"path": "(x)/{id}.y?ml"})
    assert (
        check_policy([desired("id: report\n", "flows/(x)/report.y?ml")], policy, source=["flows"])
        == ()
    )
    assert check_policy([desired("id: report\n", "flows/(x)/report.yml")], policy, source=["flows"])
    assert expand("{folders}/{id}/*", FlowId("a.b", "c")) == "a/b/c/*"


def test_severity__fixed_only_for_flows_that_cannot_be_compared() -> None:
    assert frozenset(RULES) - adjustable_rules() == FINAL
    assert "flow-schema" in adjustable_rules()
    assert "kestra-warning" in adjustable_rules()
    assert "kestra-invalid" not in adjustable_rules()
