"""Configurations: ``positive/NAME.yaml`` has no error, ``negative/NAME.yaml`` has those that
``NAME.expected.txt`` lists, a remedy in the same line as its error.
"""

from __future__ import annotations

from pathlib import Path

from kestra_sync.config.file import ConfigError, read

_HERE = Path(__file__).parent

POSITIVE = sorted((_HERE / "positive").glob("*.yaml"))
NEGATIVE = sorted((_HERE / "negative").glob("*.yaml"))


def diagnostics(case: Path) -> list[str]:
    """What is wrong with the configuration, as ``line:column: error[rule] message (remedy)``."""
    try:
        read(str(case))
    except ConfigError as error:
        found = error.diagnostics
    else:
        return []
    lines = []
    for each in found:
        place = f"{each.position.line}:{each.position.column}: " if each.position else ""
        remedy = f" ({each.remedy})" if each.remedy else ""
        lines.append(f"{place}{each.severity}[{each.rule}] {each.message}{remedy}")
    return lines


def expected(case: Path) -> list[str]:
    """What must be said of a negative case."""
    return case.with_suffix(".expected.txt").read_text(encoding="utf-8").splitlines()
