"""Every file in ``tests/cases``."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.checks.rules import RULES
from tests.cases import NEGATIVE, POSITIVE, diagnostics, expected

# The policy's rules are none of those that hold without a configuration.
OF_FILES_AND_STRUCTURE = {name for name in RULES if not name.startswith(("policy", "unused"))}


def _name(case: Path) -> str:
    return case.stem


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=_name)
def test_case__has_the_expected_diagnostics(case: Path) -> None:
    assert diagnostics(case) == expected(case)


@pytest.mark.parametrize("case", POSITIVE, ids=_name)
def test_positive_case_has_no_error(case: Path) -> None:
    assert not [line for line in expected(case) if "error[" in line]


@pytest.mark.parametrize("case", NEGATIVE, ids=_name)
def test_negative_case_has_an_error(case: Path) -> None:
    assert [line for line in expected(case) if "error[" in line]


def test_every_rule_has_a_case() -> None:
    said = "\n".join(line for case in (*POSITIVE, *NEGATIVE) for line in expected(case))
    # What a file in a repository cannot show; see tests/unit/repo/test_load.py and test_walk.py.
    elsewhere = {"kestra-removed", "file-unreadable", "file-too-large", "symlink-outside"}
    # What a single flow cannot show; see test_references.py.
    elsewhere.add("reference-cycle")
    unsaid = {rule for rule in RULES if f"[{rule}]" not in said}
    assert {rule for rule in unsaid if rule in OF_FILES_AND_STRUCTURE} == elsewhere
