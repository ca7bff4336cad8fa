"""The JSON of a run: the command's own members in the frame that all commands share."""

from __future__ import annotations

from typing import Any

from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.report import Report, Reports


class JsonReporter:
    """``--format json``."""

    name = "json"

    def render(self, report: Report) -> str:
        """The whole document."""
        return dump(_document(report))

    def render_several(self, reports: Reports) -> str:
        """One document that holds those of the environments."""
        body = {
            "environments": [
                {"environment": each.environment, "result": _document(each)}
                for each in reports.reports
            ],
            "not_attempted": list(reports.not_attempted),
        }
        return dump(envelope(reports.command, reports.exit_code, body))


def _document(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = envelope(report.command, report.exit_code, report.body())
    if report.failure is not None:
        document["error"] = {
            "kind": report.failure.kind,
            "message": report.failure.message,
            "remedy": report.failure.remedy,
        }
    return document
