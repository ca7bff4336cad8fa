"""The formats by name. Each is a separate module, imported on use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kestra_sync.report.report import Report, Reports


class Reporter(Protocol):
    """Makes one format of a report: a pure function with a name."""

    name: str

    def render(self, report: Report) -> str:
        """The whole text, with a newline at its end unless it is empty."""
        ...

    def render_several(self, reports: Reports) -> str:
        """The same of a run over several environments: one document."""
        ...


#: Name → the module of ``kestra_sync.report`` and the class in it.
_REPORTERS = {
    "text": "text:TextReporter",
    "json": "json_report:JsonReporter",
    "github": "github:GithubReporter",
    "markdown": "markdown:MarkdownReporter",
    "comment": "comment:CommentReporter",
    "summary": "comment:SummaryReporter",
    "sarif": "sarif:SarifReporter",
    "junit": "junit_report:JunitReporter",
    "html": "html:HtmlReporter",
}

#: What ``-o`` knows.
FORMATS = tuple(_REPORTERS)
#: What ``--format`` knows: what makes sense on stdout.
STREAM_FORMATS = ("text", "json", "github", "markdown", "sarif", "junit")


def reporter(name: str) -> Reporter:
    """The reporter of that name."""
    module, _, attribute = _REPORTERS[name].partition(":")
    made: Reporter = getattr(import_module(f"kestra_sync.report.{module}"), attribute)()
    return made


def render(name: str, report: Report | Reports) -> str:
    """A run in the format of that name."""
    from kestra_sync.report.report import Reports

    made = reporter(name)
    return made.render_several(report) if isinstance(report, Reports) else made.render(report)
