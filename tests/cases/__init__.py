"""Cases are files: drop a flow into ``positive`` or ``negative``, and it is a test.

Beside ``NAME.yaml`` stands ``NAME.expected.txt`` with one line for each diagnostic; a positive
case without warnings needs none. The line ``# kestra: accepts`` marks a negative case that we
refuse and Kestra does not (a key that is there twice): all others must be refused by the server
as well, see ``tests/e2e/test_cases_agree.py``.
"""

from __future__ import annotations

from pathlib import Path

from kestra_sync.checks.offline import check_offline
from kestra_sync.render import render_all
from kestra_sync.repo import load

ROOT = Path(__file__).parent
POSITIVE = tuple(sorted((ROOT / "positive").glob("*.yaml")))
NEGATIVE = tuple(sorted((ROOT / "negative").glob("*.yaml")))
ACCEPTED = "# kestra: accepts"


def expected_file(case: Path) -> Path:
    """Where it stands what is expected of a case."""
    return case.with_suffix(".expected.txt")


def expected(case: Path) -> list[str]:
    """The lines expected for a case, comments aside."""
    file = expected_file(case)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [line for line in lines if not line.startswith("#")]


def kestra_accepts(case: Path) -> bool:
    """Whether Kestra takes the case although we do not."""
    return ACCEPTED in expected_file(case).read_text("utf-8")


def diagnostics(case: Path) -> list[str]:
    """What loading and checking a case says, as ``line:column: severity[rule] message``."""
    repository = load([str(case)], strict=True)
    found = list(repository.diagnostics)
    for desired in render_all(repository.flows):
        found.extend(check_offline(desired))
    lines = []
    for diagnostic in sorted(found, key=lambda entry: entry.sort_key):
        place = diagnostic.position
        where = "" if place is None else f"{place.line}:{place.column}: "
        message = diagnostic.message.replace(str(case), case.name)
        lines.append(f"{where}{diagnostic.severity}[{diagnostic.rule}] {message}")
    return lines
