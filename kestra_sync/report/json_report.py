"""The JSON of a run: the command's own members in the frame that all commands share."""

from __future__ import annotations

from typing import Any

from kestra_sync.report.envelope import dump, envelope
from kestra_sync.report.report import Report


class JsonReporter:
    """``--format json``."""

    name = "json"

    def render(self, report: Report) -> str:
        """The whole document."""
        document: dict[str, Any] = envelope(report.command, report.exit_code, report.body())
        if report.failure is not None:
            document["error"] = {
                "kind": report.failure.kind,
                "message": report.failure.message,
                "remedy": report.failure.remedy,
            }
        return dump(document)
