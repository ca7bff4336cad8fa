"""``docs/policy.md`` explains every rule, and its examples say what it shows."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest

from kestra_sync.checks import policy_rules
from kestra_sync.checks.policy import CHECKS
from kestra_sync.checks.policy_rules import POLICY_RULES
from kestra_sync.checks.rules import FINAL, RULES, adjustable_rules
from kestra_sync.commands.validate import validate
from kestra_sync.config.config import load_config, settings_from_config
from kestra_sync.report.diagnostics import diagnostic_lines
from kestra_sync.report.lines import write
from kestra_sync.schemas import load

_PAGE = (Path(__file__).resolve().parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")
CASES = Path(__file__).resolve().parents[2] / "cases" / "policy"
_SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^###? |\Z)", _PAGE, re.MULTILINE | re.DOTALL))


def test_every_rule_has_a_section_that_begins_with_its_description() -> None:
    assert list(_SECTIONS) == [*CHECKS, "unused-ignore"]
    for rule, text in _SECTIONS.items():
        paragraph = " ".join(text.strip().partition("\n\n")[0].split())
        assert paragraph.startswith(f"{RULES[rule].description}.")


def test_a_rule_is_declared_once() -> None:
    """Its option is in the schema, its text in the list of rules, its cases below ``tests/cases``.

    So that adding a rule is a module, its line in the list, and what ``make docs`` writes.
    """
    options = load("config")["$defs"]["policy"]["properties"]
    assert {
        **{each.option: each.schema for each in POLICY_RULES},
        **{each: options[each] for each in ("ignore", "severity")},
    } == (options)
    modules = {path.stem for path in Path(policy_rules.__file__).parent.glob("*.py")}
    assert len(modules - {"__init__", "base"}) == len(POLICY_RULES)
    for rule in POLICY_RULES:
        assert RULES[rule.id].description == rule.description
        assert {path.name for path in (CASES / rule.id).iterdir()} == {"negative", "positive"}


@pytest.mark.parametrize("rule", _SECTIONS)
def test_examples_say_what_is_shown(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = _SECTIONS[rule].partition("```text\n")
    for block in re.findall(r"```yaml\n(# (\S+)\n.*?)```", text[0], re.DOTALL):
        path = Path(block[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block[0], encoding="utf-8")
    found = validate(settings_from_config(load_config()), offline=True).diagnostics
    said = StringIO()
    write(diagnostic_lines(found), said, colour=False)
    assert said.getvalue() == text[2].partition("```")[0]


_TABLE = re.findall(
    r"^\| `(\S+)` \| (\w+) \| (\w+) \| (\w+) \| (.*) \|$",
    (Path(__file__).resolve().parents[3] / "docs" / "checks.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_checks_page__lists_the_severity_of_each_rule() -> None:
    assert [
        (
            rule.id,
            str(rule.severity),
            str(rule.severity if rule.id in CHECKS else rule.if_accepted),
            "yes" if rule.id in adjustable_rules() else "no",
            rule.description,
        )
        for rule in RULES.values()
    ] == _TABLE


def test_rules__few_stop_flows_that_the_server_accepts() -> None:
    stopping = {rule for rule, _, accepted, _, _ in _TABLE if accepted == "error"}
    assert stopping - set(CHECKS) == FINAL
