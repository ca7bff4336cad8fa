"""``docs/safety.md`` and ``docs/trust.md`` name tests that exist, one or more for each row."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[2]
_DOCS = _TESTS.parent / "docs"
#: Page → the folder of the tests that it names without one, and the heads of its tables.
_PAGES = {
    "safety.md": (_TESTS / "e2e" / "sync", {"promise"}),
    "trust.md": (_TESTS, {"attack"}),
}


def _text(page: str) -> str:
    return (_DOCS / page).read_text(encoding="utf-8")


def _rows(page: str) -> list[str]:
    heads = _PAGES[page][1]
    rows = [line for line in _text(page).splitlines() if line.startswith("| ")]
    return [row for row in rows if row.split(" | ")[0].removeprefix("| ") not in heads]


@pytest.mark.parametrize("page", _PAGES)
def test_each_test_it_names_is_there(page: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", _text(page))
    assert len(named) > 15
    missing = [
        f"{file}::{name}"
        for file, name in named
        if name not in _tests_of(_TESTS / file if "/" in file else _PAGES[page][0] / file)
    ]
    assert missing == []


@cache
def _tests_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("page", _PAGES)
def test_each_promise_names_a_test(page: str) -> None:
    rows = _rows(page)
    assert len(rows) > 15
    assert [row for row in rows if "::test_" not in row] == []
