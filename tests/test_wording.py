"""The word list of ``make lint`` (``.ci/wording.py``): what it rejects and what it accepts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_ROOT = Path(__file__).resolve().parent.parent


def _wording() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wording", _ROOT / ".ci" / "wording.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORDING = _wording()


@pytest.mark.parametrize(
    "text",
    [
        "YAML files that are no flows are errors.",
        "Nobody reads it.",
        "the login of whoever wrote it",
        "mend the file",
        "files are read anew",
        "another apply is under way",
        "# writes that are under\n# way",
        "It waits for ever.",
        "in so many words",
        "what became\nof the write",
        "at the begin of a line",
        "The text is as ever.",
        "line breaks of old",
        "what came of it",
        "The server hears of it.",
        "`@@` stands for a plain `@`",
        "tests stand in files",
        "a variable goes before the file",
        "one pattern a line",
        "the key 'a' is there twice",
        "Everything that speaks against it.",
        "what lies between here and Kestra",
        "Nothing is said of the others.",
        "-v tells of each request",
        "The flows, and what there is to say about them.",
        "Whatever throws, the outcomes are reported.",
    ],
)
def test_wording__archaic_phrases_are_found(text: str) -> None:
    assert len(list(WORDING.findings(text))) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def test_what_is_no_flow() -> None:", ["test_what_is_no_flow"]),
        ("class TellNobody:", ["TellNobody"]),
        ("    writes_under_way = 1", ["writes_under_way"]),
        ("def test_there_is_no_lock() -> None:", []),
        ("def test_what_is_not_a_flow() -> None:", []),
    ],
)
def test_wording__archaic_names_are_found(text: str, found: list[str]) -> None:
    assert [name for _, name, _ in WORDING.names(text)] == found


@pytest.mark.parametrize(
    "text",
    [
        "There is no lock.",
        "It is no longer in Git.",
        "YAML files that are not flows",
        "one per line",
    ],
)
def test_wording__plain_english_passes(text: str) -> None:
    assert list(WORDING.findings(text)) == []
