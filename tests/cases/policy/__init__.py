"""The policy's cases: ``<rule>/positive|negative/<case>`` is a small repository.

It holds a ``kestra-sync.yaml``, ``flows/`` and, where anything is said, an ``expected.txt``. Drop
a folder in and it is a test.
"""

from __future__ import annotations

import os
from pathlib import Path

from kestra_sync.config.config import load_config, settings_from_config
from kestra_sync.kinds.flows.check import check_offline_rules
from kestra_sync.model import Diagnostic
from kestra_sync.render import render
from kestra_sync.repo.load import load

_HERE = Path(__file__).parent

POSITIVE = sorted(path.parent for path in _HERE.glob("*/positive/*/kestra-sync.yaml"))
NEGATIVE = sorted(path.parent for path in _HERE.glob("*/negative/*/kestra-sync.yaml"))


def name(case: Path) -> str:
    """How the case is called in the output of the tests."""
    return case.relative_to(_HERE).as_posix()


def diagnostics(case: Path) -> list[str]:
    """The output for the case, run in its folder as a user would."""
    before = Path.cwd()
    os.chdir(case)
    try:
        settings = settings_from_config(load_config())
        repository = load(settings.paths, ignore=settings.ignore, base=settings.base_path)
        found = check_offline_rules(render(repository.flows).desired, settings)
    finally:
        os.chdir(before)
    said = sorted([*repository.diagnostics, *found], key=lambda each: each.sort_key)
    return [line(each) for each in said]


def line(each: Diagnostic) -> str:
    """A diagnostic as in ``expected.txt``, with its remedy on the same line."""
    place = f"{each.position.line}:{each.position.column}" if each.position else ""
    remedy = f" ({each.remedy})" if each.remedy else ""
    return f"{each.path}:{place}: {each.severity}[{each.rule}] {each.message}{remedy}"


def expected(case: Path) -> list[str]:
    """What must be said; nothing without an ``expected.txt``."""
    file = case / "expected.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
