"""Tests, versions and platforms in the documentation exist and are tested."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.engine import VERSIONS

_TESTS = Path(__file__).parent
_ROOT = _TESTS.parent
_PAGES = sorted(
    path
    for path in [*_ROOT.glob("*.md"), *(_ROOT / "docs").glob("**/*.md")]
    if path.name != "CHANGELOG.md"
)
#: Page → the heads of its tables, whose rows name one or more tests each.
_TABLES = {"safety.md": "promise", "trust.md": "attack", "versions.md": "feature"}
#: Page → the folder of the tests that it names without one.
_FOLDERS = {"safety.md": _TESTS / "e2e" / "sync"}

_NAMED = re.compile(r"`(?:tests/)?([\w/]+\.py)::(\w+)")
_LINKED = re.compile(r"\[(test_\w+)\]\((?:\.\./)*tests/([\w/]+\.py)\)")


def _text(page: str) -> str:
    return (_ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_cited_tests__exist(page: Path) -> None:
    """Files and folders of tests by their paths, tests as ``FILE::NAME`` or as a link."""
    text = page.read_text(encoding="utf-8")
    paths = {each.rstrip("./") for each in re.findall(r"\btests/[\w./-]+", text)}
    assert sorted(each for each in paths if not (_ROOT / each).exists()) == []
    named = _NAMED.findall(text) + [(file, name) for name, file in _LINKED.findall(text)]
    missing = [f"{file}::{name}" for file, name in named if name not in _tests_of(page, file)]
    assert missing == []


def _tests_of(page: Path, file: str) -> frozenset[str]:
    folder = _TESTS if "/" in file else _FOLDERS.get(page.name, _TESTS)
    return _functions(folder / file)


@cache
def _functions(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize("page", _TABLES)
def test_safety_page__each_row_cites_a_test(page: str) -> None:
    rows = [line for line in _text(f"docs/{page}").splitlines() if line.startswith("| ")]
    claims = [row for row in rows if not row.startswith(f"| {_TABLES[page]} |")]
    assert len(claims) > 15
    assert [row for row in claims if not _NAMED.search(row)] == []


def test_readme__repeats_rows_of_the_versions_page() -> None:
    section = _text("README.md").partition("## Versions of Kestra")[2]
    rows = [_LINKED.sub(r"`\2::\1`", line) for line in section.splitlines() if line[:2] == "| "]
    assert len(rows) > 5
    assert [row for row in rows if row not in _text("docs/versions.md").splitlines()] == []


def test_ci__covers_the_versions_and_platforms_of_the_pages() -> None:
    """Versions of Kestra and of Python, and systems, where a page says which of them work."""
    jobs = YAML(typ="safe").load(_text(".github/workflows/ci.yml"))["jobs"].values()
    tested = {
        name: [each for job in jobs for each in _matrix(job).get(name, ())]
        for name in ("kestra", "python", "os")
    }
    names = [re.sub(r"^v(\d+\.\d+)\.\d+$", r"\1", each) for each in tested["kestra"]]
    assert names == list(VERSIONS)
    assert f"The test suite runs on Kestra {' and '.join(names)}," in _text("README.md")

    (oldest,) = re.findall(r'requires-python = ">=([\d.]+)"', _text("pyproject.toml"))
    classified = re.findall(r"Python :: (3\.\d+)", _text("pyproject.toml"))
    assert tested["python"] == classified
    assert oldest == classified[0]
    assert sorted(tested["os"]) == ["macos-latest", "windows-latest"]
    claim = f"kestra-sync needs Python {oldest} or newer, on Linux, macOS or Windows."
    assert claim in _text("docs/install.md")


def _matrix(job: Any) -> dict[str, list[str]]:
    matrix: dict[str, list[str]] = job.get("strategy", {}).get("matrix", {})
    return matrix
