"""The formats by name. Each is a separate module, imported on use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from kestra_sync.report.report import Report, Reports


class Reporter(Protocol):
    """Renders a report in one format."""

    name: str

    def render(self, report: Report) -> str:
        """Return the whole text, with a newline at its end unless it is empty."""
        ...

    def render_several(self, reports: Reports) -> str:
        """Render a run over several environments as one document."""
        ...


class Format(NamedTuple):
    """A row of the table of formats.

    :param reporter: the module of ``kestra_sync.report``, and the class in it.
    :param stream: supported on stdout (``--format``).
    :param file: supported as the report file of the Action.
    """

    reporter: str
    stream: bool = True
    file: bool = True


#: To add a format, add a row and its module.
_FORMATS = {
    "text": Format("text:TextReporter"),
    "json": Format("json_report:JsonReporter"),
    "github": Format("github:GithubReporter", file=False),
    "markdown": Format("markdown:MarkdownReporter"),
    "comment": Format("comment:CommentReporter", stream=False, file=False),
    "summary": Format("comment:SummaryReporter", stream=False, file=False),
    "sarif": Format("sarif:SarifReporter"),
    "junit": Format("junit_report:JunitReporter"),
    "html": Format("html:HtmlReporter", stream=False),
}

#: The formats of ``-o``.
FORMATS = tuple(_FORMATS)
#: The formats of ``--format``.
STREAM_FORMATS = tuple(name for name, each in _FORMATS.items() if each.stream)
#: The formats of the report file of the Action.
FILE_FORMATS = tuple(name for name, each in _FORMATS.items() if each.file)


def reporter(name: str) -> Reporter:
    """Return the reporter of that name."""
    module, _, attribute = _FORMATS[name].reporter.partition(":")
    made: Reporter = getattr(import_module(f"kestra_sync.report.{module}"), attribute)()
    return made


def render(name: str, report: Report | Reports) -> str:
    """Render a run in the format of that name."""
    from kestra_sync.report.report import Reports

    made = reporter(name)
    return made.render_several(report) if isinstance(report, Reports) else made.render(report)
