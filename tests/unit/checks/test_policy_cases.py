"""Every directory in ``tests/cases/policy``."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.checks.policy import CHECKS
from kestra_sync.checks.rules import RULES
from tests.cases.policy import NEGATIVE, POSITIVE, diagnostics, expected, name


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=name)
def test_case__has_the_expected_diagnostics(case: Path) -> None:
    assert diagnostics(case) == expected(case)


@pytest.mark.parametrize("case", POSITIVE, ids=name)
def test_positive_case_has_no_error(case: Path) -> None:
    assert not [line for line in expected(case) if " error[" in line]


@pytest.mark.parametrize("case", NEGATIVE, ids=name)
def test_negative_case_breaks_its_rule(case: Path) -> None:
    rule = case.parent.parent.name
    said = expected(case)
    assert said
    assert rule not in RULES or [line for line in said if f"[{rule}]" in line]


@pytest.mark.parametrize("rule", [*CHECKS, "unused-ignore"])
def test_every_rule_has_both_kinds_of_case(rule: str) -> None:
    for cases in (POSITIVE, NEGATIVE):
        assert any(case.parent.parent.name == rule for case in cases)


def test_every_rule_is_registered() -> None:
    assert {rule for rule in RULES if rule.startswith("policy-")} == set(CHECKS)
