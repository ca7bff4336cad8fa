"""Counts the imports of a command, because startup times depend on the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import log_flow

#: Libraries that take milliseconds to import, and what needs them.
_HEAVY = {
    "deepdiff", "dotenv", "jinja2", "jsonschema", "pathspec", "requests", "rich", "ruamel",
    "urllib3",
}  # fmt: skip
_SCRIPT = """
import contextlib, io, sys
from kestra_sync.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    run(sys.argv[1:])
print(*sys.modules)
"""


def _imported(*args: str, cwd: Path | None = None) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _SCRIPT, *args], cwd=cwd, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def _ours(modules: set[str]) -> int:
    return sum(each.startswith("kestra_sync") for each in modules)


@pytest.mark.parametrize(
    ("args", "ours"), [(["--version"], 10), (["--help"], 10), (["plan", "--help"], 50)]
)
def test_imports__command_without_requests_imports_little(args: list[str], ours: int) -> None:
    """The interpreter itself brings about 60 modules of the standard library, click as many."""
    found = _imported(*args)
    assert {each.partition(".")[0] for each in found} & _HEAVY == set()
    assert _ours(found) <= ours
    assert len(found) <= 150 + ours


def test_an_offline_validation_imports_what_it_uses(tmp_path: Path) -> None:
    """Not what draws, renders HTML, compares structures or sends requests through proxies."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.yaml").write_text(log_flow("acme", "a"))
    found = _imported("validate", "--offline", cwd=tmp_path)
    assert {"deepdiff", "jinja2", "rich", "jsonschema"} & found == set()
    assert not {each for each in found if each.startswith("kestra_sync.report.html")}
    assert _ours(found) <= 110


def test_a_plan_without_triggers_does_not_import_what_shows_them() -> None:
    """``zoneinfo`` alone takes some milliseconds."""
    modules = "cli.apply, kestra_sync.report.plan_text, kestra_sync.report.apply_text"
    script = f"import sys, kestra_sync.{modules}, kestra_sync.commands.apply; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    found = done.stdout.split()
    assert "kestra_sync.report.plan_text" in found
    assert not {"zoneinfo", "kestra_sync.triggers.changes"} & set(found)
