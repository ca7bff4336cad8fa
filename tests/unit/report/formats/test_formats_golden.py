"""Golden files of each format of each command."""

from __future__ import annotations

import json

import pytest

from kestra_sync import __version__
from kestra_sync.report.formats import FORMATS, STREAM_FORMATS, reporter
from tests.support.golden import check_golden

from .samples import reports

_REPORTS = reports()
_SUFFIXES = {
    "text": "txt",
    "github": "github.txt",
    "markdown": "md",
    "comment": "comment.md",
    "sarif": "sarif",
    "junit": "xml",
}
_CASES = [
    *(("plan", name) for name in ("text", "github", "comment", "sarif", "junit")),
    *(("validate", name) for name in ("text", "github", "markdown", "sarif", "junit")),
    *(("apply", name) for name in ("text", "github", "comment", "sarif", "junit")),
    *(("drift", name) for name in ("text", "github", "comment", "junit")),
    *(("smoke", name) for name in ("text", "github", "comment", "junit")),
    *(("failure", name) for name in ("text", "github", "comment", "sarif", "junit")),
    *(("refused", name) for name in ("github", "comment", "sarif", "junit")),
    *(("smoked", name) for name in ("text", "markdown")),
    *((name, "markdown") for name in ("valid", "invalid", "nothing", "applied", "declined")),
    *((name, "markdown") for name in ("no-drift", "smoke-invalid", "conflict")),
]


@pytest.mark.parametrize(("report", "name"), _CASES)
def test_golden(report: str, name: str) -> None:
    """Byte for byte, but for our own version."""
    text = reporter(name).render(_REPORTS[report])
    text = text.replace(f'"{__version__}"', '"VERSION"')
    check_golden(f"formats/{report}.{_SUFFIXES[name]}", text)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("report", _REPORTS)
def test_every_format_renders_every_report(report: str, name: str) -> None:
    """Whole lines; the same each time; named as it is asked for."""
    made = reporter(name)
    assert made.name == name
    text = made.render(_REPORTS[report])
    assert text == reporter(name).render(_REPORTS[report])
    assert text.endswith("\n") or not text
    if name not in ("github", "text"):
        assert text


@pytest.mark.parametrize("report", _REPORTS)
def test_output__json_is_only_from_the_command(report: str) -> None:
    """In the frame of all commands, with the error of a run that failed."""
    made = _REPORTS[report]
    document = json.loads(reporter("json").render(made))
    assert document["command"] == made.command
    assert document["exit_code"] == int(made.exit_code)
    assert (document["error"] is None) == (made.failure is None)
    if made.failure is not None:
        assert document["error"]["kind"] == "Unreachable"
        assert document["error"]["remedy"] == made.failure.remedy


def test_what_goes_to_stdout_is_known_everywhere() -> None:
    """``--format`` is a part of ``-o``."""
    assert set(STREAM_FORMATS) < set(FORMATS)
