"""``docs/safety.md`` names tests that exist, and the tests of this subject are all of use to it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[2]
_TEXT = (_TESTS.parent / "docs" / "safety.md").read_text(encoding="utf-8")
_NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", _TEXT)))


@pytest.mark.parametrize(("file", "name"), _NAMED)
def test_each_test_it_names_is_there(file: str, name: str) -> None:
    path = _TESTS / file if "/" in file else _TESTS / "e2e" / "sync" / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_each_promise_names_a_test() -> None:
    rows = [line for line in _TEXT.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise |")]
    assert len(promises) > 20
    assert [row for row in promises if "::test_" not in row] == []
