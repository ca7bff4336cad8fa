"""The number of modules that a plan and an apply enter."""

from __future__ import annotations

from tests.modules_entered import entered
from tests.support.code import ROOT

#: To be lowered with each merge, never raised without a feature (last: large namespace files).
_MOST = {"plan": 50, "apply": 64}


def test_modules_entered__one_change_enters_few() -> None:
    """Run ``python -m tests.modules_entered`` to see which."""
    found = entered()
    assert {command for command in found if "commands/plan.py" in found[command]} == set(_MOST)
    assert "apply/transaction.py" in found["apply"]
    assert "apply/transaction.py" not in found["plan"]
    counts = {command: len(modules) for command, modules in found.items()}
    assert {name: n for name, n in counts.items() if n > _MOST[name]} == {}


def test_the_page_says_how_many() -> None:
    """``docs/architecture.md`` has the same numbers."""
    page = " ".join((ROOT / "docs" / "architecture.md").read_text("utf-8").split())
    words = "a plan calls functions in at most {plan} modules, and an apply in at most {apply}."
    assert words.format(**_MOST) in page
