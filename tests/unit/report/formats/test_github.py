"""Annotations, as GitHub's runner reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.errors import ExitCode
from kestra_sync.model import Diagnostic, Position, Severity
from kestra_sync.report.github import command, in_checkout, workflow_commands
from kestra_sync.report.report import Report, RunFailure

from .samples import hostile

#: As the runner parses it (``ActionCommand.TryParseV2``).
_COMMAND = re.compile(r"::(?P<name>\w+)(?: (?P<properties>.*?))?::(?P<data>.*)")


def parse(text: str) -> tuple[str, dict[str, str], str]:
    """Name, properties and data of a command, unescaped as the runner does it."""
    match = _COMMAND.fullmatch(text)
    assert match is not None, text
    pairs = [each.split("=", 1) for each in (match["properties"] or "").split(",") if each]
    return match["name"], {key: unquote(value) for key, value in pairs}, unquote(match["data"])


def report(*diagnostics: Diagnostic, prefix: str = "") -> Report:
    """A report with these diagnostics and nothing else."""
    return Report("validate", ExitCode.INVALID, diagnostics=diagnostics, prefix=prefix)


def finding(number: int, severity: Severity = Severity.ERROR) -> Diagnostic:
    """A diagnostic on a line of its own."""
    return Diagnostic("a.yaml", Position(number, 1), severity, "rule", f"message {number}")


@given(st.text(), st.text(), st.text())
def test_any_text_comes_through(message: str, one: str, other: str) -> None:
    """One line, and the runner reads what was meant: no value ends early, none adds a property."""
    text = command("error", message, file=one, title=other)
    assert "\n" not in text
    assert "\r" not in text
    assert parse(text) == ("error", {"file": one, "title": other}, message)


def test_github__escapes_match_the_runner() -> None:
    """The percent sign first; colons and commas in properties only."""
    assert command("notice", "a%b\r\nc:d,e") == "::notice::a%25b%0D%0Ac:d,e"
    assert command("error", "m", file="a:b,c%") == "::error file=a%3Ab%2Cc%25::m"


def test_the_worst_come_first_and_ten_of_each() -> None:
    """GitHub silently drops the others; a notice counts them."""
    warnings = [finding(number, Severity.WARNING) for number in range(1, 13)]
    errors = [finding(number) for number in range(1, 12)]
    infos = [finding(1, Severity.INFO)]
    lines = list(workflow_commands(report(*infos, *warnings, *errors)))
    names = [parse(line)[0] for line in lines]
    assert names == ["error"] * 10 + ["warning"] * 10 + ["notice"]
    assert parse(lines[0])[1]["line"] == "1"
    assert parse(lines[-1])[2] == "1 error and 2 warnings more; see the log or the report"


def test_paths_are_those_of_the_checkout() -> None:
    """A run in a directory below names files from there."""
    (line,) = workflow_commands(report(finding(3), prefix="teams/sales"))
    assert parse(line)[1]["file"] == "teams/sales/a.yaml"
    assert in_checkout("../flows/a.yaml", "deploy") == "flows/a.yaml"


def test_a_run_that_failed_is_an_error() -> None:
    """Without a file, with the remedy."""
    made = Report("plan", ExitCode.FAILURE, failure=RunFailure("Oops", "bad\nthing", "do better"))
    (line,) = workflow_commands(made)
    assert parse(line) == ("error", {"title": "kestra-sync plan"}, "bad\nthing\ndo better")


def test_long_messages_are_cut() -> None:
    """GitHub would cut them without saying so."""
    long = replace(finding(1), message="x" * 10_000)
    (line,) = workflow_commands(report(long))
    assert parse(line)[2] == "x" * 3999 + "…"


@pytest.mark.parametrize("line", list(workflow_commands(hostile())))
def test_attacks_stay_messages(line: str) -> None:
    """No control character, no command of the old kind, and only the properties that are ours."""
    name, properties, _ = parse(line)
    assert name in ("error", "warning", "notice")
    assert set(properties) <= {"file", "line", "col", "title"}
    assert "##[" not in line
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
