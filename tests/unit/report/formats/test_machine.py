"""SARIF against its schema, and JUnit as XML."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from kestra_sync.errors import ExitCode
from kestra_sync.model import Diagnostic, FlowId, Position, Severity
from kestra_sync.report.junit_report import JunitReporter
from kestra_sync.report.report import Report, RunFailure
from kestra_sync.report.sarif import SarifReporter

from .samples import hostile, reports, with_done

_DATA = Path(__file__).parents[3] / "data"
_REPORTS = {**reports(), "hostile": hostile()}


@cache
def _schema() -> Draft4Validator:
    schema = json.loads((_DATA / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema)


def sarif(report: Report) -> dict[str, Any]:
    """The run of a log that its schema accepts."""
    text = SarifReporter().render(report)
    assert text.isascii()
    assert "##[" not in text
    document = json.loads(text)
    assert [each.message for each in _schema().iter_errors(document)] == []
    (run,) = document["runs"]
    assert isinstance(run, dict)
    return run


def junit(report: Report) -> ET.Element:
    """The suite of a document whose counts are right."""
    text = JunitReporter().render(report)
    assert text.isascii()
    assert "##[" not in text
    assert not re.search(r"^\s*::", text, re.MULTILINE)
    root = ET.fromstring(text)
    (suite,) = root
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[name]) == len(suite.findall(f"testcase/{element}"))
    return suite


@pytest.mark.parametrize("name", _REPORTS)
def test_sarif__is_valid(name: str) -> None:
    """Every report, and the rule of each result is there."""
    run = sarif(_REPORTS[name])
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        (location,) = result["locations"]
        assert "uri" in location["physicalLocation"]["artifactLocation"]


@pytest.mark.parametrize("name", _REPORTS)
def test_junit__is_well_formed(name: str) -> None:
    """Every report."""
    junit(_REPORTS[name])


_ANY = st.text(st.characters(codec=None), max_size=20)


@given(_ANY, _ANY, _ANY)
def test_any_text_makes_valid_documents(path: str, message: str, name: str) -> None:
    """Halves of characters included, which no encoding can write."""
    said = Diagnostic(
        path, Position(1, 2), Severity.ERROR, "rule", message, name, FlowId(name, message)
    )
    report = Report(
        "validate", ExitCode.INVALID, diagnostics=(said,), failure=RunFailure(name, message, path)
    )
    run = sarif(report)
    assert len(run["results"]) == bool(path)
    suite = junit(report)
    assert len(suite.findall("testcase")) == 2


def test_sarif__names_files_from_the_checkout() -> None:
    """Percent-encoded, below the root."""
    said = Diagnostic("flows/a b#1.yaml", None, Severity.WARNING, "rule", "x")
    report = Report("validate", ExitCode.OK, diagnostics=(said,), prefix="team")
    (result,) = sarif(report)["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "team/flows/a%20b%231.yaml"
    assert "region" not in place


def test_sarif_links_nowhere() -> None:
    """In its messages ``[words](address)`` would be a link."""
    said = Diagnostic("a", None, Severity.ERROR, "rule", "[click](http://evil.example)")
    (result,) = sarif(Report("validate", ExitCode.INVALID, diagnostics=(said,)))["results"]
    assert result["message"]["text"] == "[click]\\(http://evil.example)"


def test_sarif_fingerprints_stay_when_lines_move() -> None:
    """A finding is the same one when something is put in above it."""
    said = Diagnostic("a", Position(1, 1), Severity.ERROR, "rule", "x")
    moved = replace(said, position=Position(9, 1))
    other = replace(said, message="y")
    prints = [
        sarif(Report("validate", ExitCode.INVALID, diagnostics=(each,)))["results"][0][
            "partialFingerprints"
        ]
        for each in (said, moved, other)
    ]
    assert prints[0] == prints[1] != prints[2]


def test_sarif__keeps_environments_apart() -> None:
    """Code scanning replaces what it has of a category."""
    run = sarif(replace(_REPORTS["plan"], environment="prod"))
    assert run["automationDetails"]["id"] == "kestra-sync/plan/prod/"


def test_junit__has_a_case_for_each_flow() -> None:
    """A broken file is a case of its own; more than one error is counted in the message."""
    report = _REPORTS["validate"]
    assert report.repository is not None
    error = next(each for each in report.diagnostics if each.flow is not None)
    twice = replace(report, diagnostics=(*report.diagnostics, replace(error, message="another")))
    suite = junit(twice)
    names = [case.attrib["name"] for case in suite]
    assert {str(each.flow_id) for each in report.repository.flows} <= set(names)
    assert "flows/broken.yaml" in names
    failure = suite.find(f"testcase[@name='{error.flow}']/failure")
    assert failure is not None
    assert failure.attrib["message"].endswith("(and 1 more)")
    assert "another" in (failure.text or "")


def test_junit__knows_drift_of_flows_that_git_does_not_have() -> None:
    """They have a case, too."""
    names = [case.attrib["name"] for case in junit(_REPORTS["drift"])]
    assert "company.sales/gone" in names


def test_executions_delete__failed_deletion_has_no_line() -> None:
    """Its file is not there any more."""
    report = _REPORTS["apply"]
    assert report.outcomes is not None
    failed = replace(report.outcomes[4], status=report.outcomes[1].status, message="no")
    results = sarif(with_done(report, outcomes=(failed,)))["results"]
    places = [each["locations"][0]["physicalLocation"] for each in results]
    assert [place["artifactLocation"]["uri"] for place in places if "region" not in place] == [
        "flows/old_report.yaml"
    ]
