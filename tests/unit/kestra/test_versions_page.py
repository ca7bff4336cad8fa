"""``docs/versions.md`` names, for each row of its tables, a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[2]
_TEXT = (_TESTS.parent / "docs" / "versions.md").read_text(encoding="utf-8")
_NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", _TEXT)))


@pytest.mark.parametrize(("file", "name"), _NAMED)
def test_each_test_it_names_is_there(file: str, name: str) -> None:
    tree = ast.parse((_TESTS / file).read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_each_row_names_a_test() -> None:
    rows = [line for line in _TEXT.splitlines() if line.startswith("| ")]
    features = [row for row in rows if not row.startswith("| feature |")]
    assert len(features) > 5
    assert [row for row in features if "::test_" not in row] == []
