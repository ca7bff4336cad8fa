"""The text of a run as one document: what a terminal shows on its two streams together."""

from __future__ import annotations

from kestra_sync.report.report import Report


class TextReporter:
    """``--format text``, without colour."""

    name = "text"

    def render(self, report: Report) -> str:
        """A line for each line."""
        lines = [each.text for section in report.sections() for each in section.lines]
        if report.failure is not None:
            from kestra_sync.report.lines import line

            message, *more = report.failure.message.splitlines() or [""]
            lines.append(line(f"kestra-sync: error: {message}").text)
            lines += [line(f"  {text}").text for text in more]
            if report.failure.remedy:
                lines.append(line(f"  {report.failure.remedy}").text)
        return "".join(f"{text}\n" for text in lines)
