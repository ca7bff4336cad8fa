"""SARIF 2.1.0, as GitHub's code scanning and editors read it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from kestra_sync.errors import ExitCode
from kestra_sync.model import Diagnostic, Severity
from kestra_sync.report.envelope import dump
from kestra_sync.report.findings import RULES, findings
from kestra_sync.report.github import in_checkout
from kestra_sync.report.report import Report, Reports
from kestra_sync.safe.text import visible
from kestra_sync.version import __version__

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
#: Exit codes of runs that completed, whatever they found.
_DONE = {ExitCode.OK, ExitCode.CHANGES, ExitCode.INVALID}


class SarifReporter:
    """``--format sarif``."""

    name = "sarif"

    def render(self, report: Report) -> str:
        """Render one log with one run: findings with a file are results, others notifications."""
        return _log([report])

    def render_several(self, reports: Reports) -> str:
        """Render one log with a run for each environment, which is its category."""
        return _log(reports.reports)


def _log(reports: Sequence[Report]) -> str:
    return dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(each) for each in reports]})


def _run(report: Report) -> dict[str, Any]:
    found = findings(report)
    with_place = [each for each in found if each.path]
    rules = sorted({each.rule for each in with_place})
    return {
        "tool": {
            "driver": {
                "name": "kestra-sync",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(each) for each in rules],
            }
        },
        "automationDetails": {"id": _category(report)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The checkout"}}},
        "invocations": [_invocation(report, [each for each in found if not each.path])],
        "results": [_result(each, rules, report.prefix) for each in with_place],
    }


def _category(report: Report) -> str:
    # Code scanning replaces the findings of the same category: one for each environment.
    parts = ["kestra-sync", report.command, report.environment]
    return "/".join(part for part in parts if part) + "/"


def _rule(rule: str) -> dict[str, Any]:
    name = "".join(part.capitalize() for part in rule.split("-"))
    words = RULES.get(rule, rule.replace("-", " ").capitalize())
    return {"id": rule, "name": name, "shortDescription": {"text": words}}


def _result(each: Diagnostic, rules: Sequence[str], prefix: str) -> dict[str, Any]:
    place: dict[str, Any] = {
        "artifactLocation": {
            "uri": quote(in_checkout(each.path, prefix), safe="/", errors="replace"),
            "uriBaseId": "%SRCROOT%",
        }
    }
    if each.position is not None:
        place["region"] = {
            "startLine": each.position.line,
            "startColumn": each.position.column,
        }
    location: dict[str, Any] = {"physicalLocation": place}
    if each.flow is not None:
        location["logicalLocations"] = [
            {"fullyQualifiedName": visible(str(each.flow)), "kind": "resource"}
        ]
    return {
        "ruleId": each.rule,
        "ruleIndex": rules.index(each.rule),
        "level": _LEVELS[each.severity],
        "message": _message(each),
        "locations": [location],
        # Without the line: a finding remains the same if lines are inserted above it.
        "partialFingerprints": {"kestraSync/v1": _fingerprint(each)},
    }


def _message(each: Diagnostic) -> dict[str, str]:
    return {"text": _text([each.message, each.remedy or ""])}


def _text(parts: Iterable[str]) -> str:
    lines = [visible(line) for part in parts for line in part.splitlines()]
    # In SARIF [words](address) is a link.
    return "\n".join(line for line in lines if line).replace("](", "]\\(")


def _fingerprint(each: Diagnostic) -> str:
    parts = [each.path, each.rule, str(each.flow or ""), each.message]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _invocation(report: Report, found: Sequence[Diagnostic]) -> dict[str, Any]:
    notifications = [
        {
            "level": _LEVELS[each.severity],
            "descriptor": {"id": each.rule},
            "message": _message(each),
        }
        for each in found
    ]
    if report.failure is not None:
        message_json = {"text": _text([report.failure.message, report.failure.remedy or ""])}
        kind = {"id": report.failure.kind}
        notifications.insert(0, {"level": "error", "descriptor": kind, "message": message_json})
    return {
        "executionSuccessful": report.exit_code in _DONE,
        "exitCode": int(report.exit_code),
        "toolExecutionNotifications": notifications,
    }
