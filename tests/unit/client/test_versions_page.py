"""``docs/versions.md`` names a test for each row of its table, and README repeats some rows."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

_TESTS = Path(__file__).parents[2]
_TEXT = (_TESTS.parent / "docs" / "versions.md").read_text(encoding="utf-8")
_NAMED = re.findall(r"`([\w/]+\.py)::(test_\w+)`", _TEXT)


def test_each_test_it_names_is_there() -> None:
    assert len(_NAMED) > 5
    assert [f"{file}::{name}" for file, name in _NAMED if name not in _tests_of(file)] == []


@cache
def _tests_of(file: str) -> set[str]:
    tree = ast.parse((_TESTS / file).read_text(encoding="utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_each_row_names_a_test() -> None:
    rows = [line for line in _TEXT.splitlines() if line.startswith("| ")]
    features = [row for row in rows if not row.startswith("| feature |")]
    assert len(features) > 5
    assert [row for row in features if "::test_" not in row] == []


def test_the_readme_says_the_same() -> None:
    text = (_TESTS.parent / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Versions of Kestra")[2]
    links = re.compile(r"\[(test_\w+)\]\(tests/([\w/]+\.py)\)")
    rows = [links.sub(r"`\2::\1`", line) for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    assert [row for row in rows if row not in _TEXT.splitlines()] == []
