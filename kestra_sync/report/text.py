"""The text of a run as one document: what a terminal shows on both streams."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.report.lines import Line, Span, Style, line
from kestra_sync.report.report import Report, Reports


class TextReporter:
    """``--format text``, without colors."""

    name = "text"

    def render(self, report: Report) -> str:
        """Render all sections."""
        return "".join(f"{text}\n" for text in _lines(report))

    def render_several(self, reports: Reports) -> str:
        """Render all reports and the overview."""
        lines = []
        for each in reports.reports:
            lines += [heading(each.environment).text, *_lines(each), ""]
        lines += [each.text for each in overview_lines(reports)]
        return "".join(f"{text}\n" for text in lines)


def heading(environment: str | None) -> Line:
    """The heading of one environment of several."""
    return line(Span(f"== {environment}", Style.HEADING))


def overview_lines(reports: Reports) -> Iterator[Line]:
    """Return the table at the end of a report on several environments."""
    from kestra_sync.report.markdown import verdicts
    from kestra_sync.report.records_text import table

    yield from table([("environment", "result"), *verdicts(reports)])


def _lines(report: Report) -> list[str]:
    lines = [each.text for section in report.sections() for each in section.lines]
    if report.failure is not None:
        message, *more = report.failure.message.splitlines() or [""]
        lines.append(line(f"kestra-sync: error: {message}").text)
        lines += [line(f"  {text}").text for text in more]
        if report.failure.remedy:
            lines.append(line(f"  {report.failure.remedy}").text)
    return lines
