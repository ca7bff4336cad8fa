"""Annotations for GitHub: workflow commands, which the runner reads from the log of a step."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kestra_sync.model import Diagnostic, Severity, plural
from kestra_sync.report.findings import findings
from kestra_sync.report.report import Report, Reports
from kestra_sync.safe.text import visible

#: GitHub shows this many annotations of each level per step, and drops the rest silently.
LIMIT = 10
#: Longer messages are truncated by GitHub.
_LONGEST = 4000


class GithubReporter:
    """``--format github``."""

    name = "github"

    def render(self, report: Report) -> str:
        """Render a command for each of the most severe findings, and one that counts the rest."""
        return "".join(f"{each}\n" for each in workflow_commands(report))

    def render_several(self, reports: Reports) -> str:
        """Report a finding of several environments once, with their names."""
        lines = [text for each in reports.reports for text in _failure(each, each.environment)]
        where: dict[Diagnostic, list[str]] = {}
        for report in reports.reports:
            for each in findings(report):
                where.setdefault(replace(each, flow=None), []).append(report.environment or "")
        found = [
            replace(each, message=f"{', '.join(names)}: {each.message}")
            for each, names in where.items()
        ]
        lines += _annotations(reports.reports[0], found) if reports.reports else ()
        return "".join(f"{each}\n" for each in lines)


def workflow_commands(report: Report) -> Iterator[str]:
    """Return at most ten errors and ten warnings, then one notice about the rest."""
    yield from _failure(report)
    yield from _annotations(report, findings(report))


def _failure(report: Report, *names: str | None) -> Iterator[str]:
    if report.failure is not None:
        parts = [report.failure.message, report.failure.remedy or ""]
        title = " ".join(filter(None, ("kestra-sync", report.command, *names)))
        yield command("error", _message(parts), title=title)


def _annotations(report: Report, found: Sequence[Diagnostic]) -> Iterator[str]:
    left = []
    for severity in (Severity.ERROR, Severity.WARNING):
        of_kind = [each for each in found if each.severity is severity]
        for each in of_kind[:LIMIT]:
            yield _annotation(each, report)
        if len(of_kind) > LIMIT:
            left.append(plural(len(of_kind) - LIMIT, str(severity)))
    if left:
        yield command(
            "notice",
            f"{' and '.join(left)} more; see the log or the report",
            title=f"kestra-sync {report.command}",
        )


def in_checkout(path: str, prefix: str) -> str:
    """Convert a path relative to the working directory to one from the root of the checkout."""
    return posixpath.normpath(posixpath.join(prefix, path)) if prefix else path


def command(name: str, message: str, **properties: str | int) -> str:
    """Return one workflow command; values are escaped."""
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name}{' ' if given else ''}{given}::{_data(message)}"


def _annotation(each: Diagnostic, report: Report) -> str:
    place: dict[str, str | int] = {}
    if each.path:
        place["file"] = visible(in_checkout(each.path, report.prefix))
        if each.position is not None:
            place |= {"line": each.position.line, "col": each.position.column}
    title = f"kestra-sync {report.command}: {each.rule}"
    return command(
        str(each.severity), _message([each.message, each.remedy or ""]), **place, title=title
    )


def _message(parts: list[str]) -> str:
    lines = [visible(line) for part in parts for line in part.splitlines()]
    text = "\n".join(line for line in lines if line)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _data(text: str) -> str:
    # The percent sign first: the other escapes contain it.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
