"""The samples in ``docs/formats.md`` are real output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kestra_sync.report.formats import FORMATS

_ROOT = Path(__file__).parents[4]
_PAGE = (_ROOT / "docs/formats.md").read_text(encoding="utf-8")
_SAMPLE = re.compile(
    r"^<!-- sample: (?P<name>\S+) -->\n(?P<fence>`{3,})\w*\n(?P<text>.*?)\n(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_SAMPLES = [(match["name"], match["text"]) for match in _SAMPLE.finditer(_PAGE)]


@pytest.mark.parametrize(("name", "text"), _SAMPLES, ids=[name for name, _ in _SAMPLES])
def test_samples_are_real(name: str, text: str) -> None:
    """Each is a piece of a golden file."""
    golden = (_ROOT / "tests/golden/formats" / name).read_text(encoding="utf-8")
    assert f"{text}\n" in golden


def test_every_format_is_explained() -> None:
    """By a row of the table; none is there that is not known."""
    rows = re.findall(r"^\| \[`(\w+)`\]", _PAGE, re.MULTILINE)
    assert tuple(rows) == FORMATS
    assert len(_SAMPLES) == _PAGE.count("<!-- sample: ")
