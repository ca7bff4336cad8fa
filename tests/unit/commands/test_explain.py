"""``explain`` has an entry for every name in brackets, and suggests a name after a typo."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kestra_sync.checks.rules import RULES, SERVER_RULES
from kestra_sync.cli.main import run
from kestra_sync.commands.explain import explain, explanations
from kestra_sync.model import Reason
from kestra_sync.plan.guards import GUARDS
from kestra_sync.report.findings import RULES as FINDINGS
from tests.support.code import ROOT, nodes, paths
from tests.support.schemas import check_result

_PAGE = ROOT / "docs" / "rules.md"
#: What makes a finding of any kind, with the name of its rule among the arguments.
_MAKERS = {
    "Diagnostic", "Finding", "Refusal", "Notice", "error", "warn", "wrong", "_error", "_said",
    "refused_aliases", "at_labels",
}  # fmt: skip


def _rules_in_the_code() -> Iterator[tuple[str, str]]:
    for path in paths():
        for node in nodes(path):
            found: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                found = node.args[:5] if name in _MAKERS else []
                found += [each.value for each in node.keywords if each.arg == "rule"]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULE":
                found = [node.value]
            for each in found:
                value = each.value if isinstance(each, ast.Constant) else None
                if isinstance(value, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+|draft", value):
                    yield value, path.name
                elif isinstance(each, ast.JoinedStr) and ast.unparse(each).startswith("f'{rules}-"):
                    suffix = ast.unparse(each).removeprefix("f'{rules}").removesuffix("'")
                    yield from ((f"{part}{suffix}", path.name) for part in ("config", "smoke"))


def test_every_rule_guard_and_reason_is_explained() -> None:
    in_code = dict(_rules_in_the_code())
    assert {"not-restorable", "kv-value", "config-missing-key", "server-name"} <= in_code.keys()
    missing = {rule: where for rule, where in in_code.items() if rule not in explanations()}
    assert missing == {}
    guards = {each.rule for each in GUARDS}
    named = {*RULES, *SERVER_RULES, *FINDINGS, *guards, *(each.value for each in Reason)}
    assert named <= explanations().keys()
    # And no entry is left of what is gone.
    assert explanations().keys() <= named | in_code.keys() | {"kestra-invalid"}


def test_the_page_has_one_entry_for_each_name() -> None:
    names = re.findall(r"^### (.+)$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [each for each, number in Counter(names).items() if number > 1] == []


def test_an_explanation_begins_with_the_meaning_of_the_rule() -> None:
    for name, rule in RULES.items():
        assert explain(name).paragraphs[0] == f"{rule.description}.", name


def test_explain__prints_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "refused[too-many-deletions]"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("too-many-deletions  (Guards)\n\nMore flows would be deleted")
    assert "--allow-large" in text
    assert "](" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_explain__unknown_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "flow-duraton"]) == 64
    assert "did you mean 'flow-duration'?" in capsys.readouterr().err


def test_explain__json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    assert {each["rule"] for each in document["rules"]} == set(explanations())


def test_findings__hint_at_explain_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flow = Path("flows/a.yaml")
    flow.parent.mkdir()
    flow.write_text("id: a\nnamespace: acme\nunknwn: 1\ntasks: []\n")
    assert run(["validate", "--offline"]) == 3
    said = capsys.readouterr()
    assert (said.out + said.err).count("kestra-sync explain") == 1
    assert "\nTo learn more: kestra-sync explain flow-" in said.out
    flow.write_text("id: a\nnamespace: acme\ntasks:\n- {id: t, type: io.kestra.A}\n")
    assert run(["validate", "--offline"]) == 0
    said = capsys.readouterr()
    assert "explain" not in said.out + said.err
