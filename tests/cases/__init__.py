"""Cases are files: drop a flow into ``positive`` or ``negative``, and it is a test.

Next to ``NAME.yaml`` is ``NAME.expected.txt`` with one line for each diagnostic; a positive
case without warnings needs none. The line ``# kestra: accepts`` marks a negative case that we
refuse and Kestra does not (a duplicate key): all others must be refused by the server
as well, see ``tests/e2e/test_cases_agree.py``. The line ``# kestra 2.0: refuses`` (or
``1.x``, or ``accepts``) marks a case about which these versions think otherwise.

``yaml`` holds files that show how Kestra reads YAML: those that it accepts, those that it refuses,
and those that it accepts and we refuse, since something in them would be lost.
"""

from __future__ import annotations

from pathlib import Path

from kestra_sync.checks.offline import check_offline
from kestra_sync.render import render
from kestra_sync.repo import load

ROOT = Path(__file__).parent
POSITIVE = tuple(sorted((ROOT / "positive").glob("*.yaml")))
NEGATIVE = tuple(sorted((ROOT / "negative").glob("*.yaml")))
YAML_ACCEPTED = tuple(sorted((ROOT / "yaml" / "accepted").glob("*.yaml")))
YAML_REFUSED = tuple(sorted((ROOT / "yaml" / "refused").glob("*.yaml")))
YAML_STRICTER = tuple(sorted((ROOT / "yaml" / "stricter").glob("*.yaml")))
ACCEPTED = "# kestra: accepts"


def expected_file(case: Path) -> Path:
    """Where it stands what is expected of a case."""
    return case.with_suffix(".expected.txt")


def expected(case: Path) -> list[str]:
    """The lines expected for a case, comments aside."""
    file = expected_file(case)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [line for line in lines if not line.startswith("#")]


def accepted_by_kestra(case: Path, release: tuple[int, int]) -> bool:
    """Whether Kestra takes the case, whatever we think of it."""
    file = expected_file(case)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    ours = case.parent.name == "positive"
    here = f"# kestra {'2.0' if release >= (2, 0) else '1.x'}: "
    if any(line.startswith(here) for line in lines):
        return f"{here}accepts" in lines
    return ours or any(line.startswith(ACCEPTED) for line in lines)


def diagnostics(case: Path) -> list[str]:
    """What loading and checking a case says, as ``line:column: severity[rule] message``."""
    repository = load([str(case)], strict=True)
    found = list(repository.diagnostics)
    for desired in render(repository.flows).desired:
        found.extend(check_offline(desired, (2, 0) if case.stem == "kestra_2" else (1, 3)))
    lines = []
    for diagnostic in sorted(found, key=lambda entry: entry.sort_key):
        place = diagnostic.position
        where = "" if place is None else f"{place.line}:{place.column}: "
        message = diagnostic.message.replace(str(case), case.name)
        lines.append(f"{where}{diagnostic.severity}[{diagnostic.rule}] {message}")
    return lines
