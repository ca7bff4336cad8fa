"""Writes reports to files (``-o FORMAT=PATH``), also after failed runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kestra_sync.cli.streams import ESCAPED, for_stream
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.report.formats import FORMATS, STREAM_FORMATS, render, reporter
from kestra_sync.safe.paths import check_writable, write

if TYPE_CHECKING:
    from kestra_sync.report.report import Report, Reports

#: The path that means stdout.
STDOUT = "-"


@dataclass(frozen=True)
class ReportRequest:
    """One report to write."""

    format: str
    path: str


def parse_outputs(
    given: Sequence[str], stream_format: str, known: Sequence[str] = FORMATS
) -> tuple[ReportRequest, ...]:
    """Parse the reports requested by ``-o``, and check that they can be written.

    Checked before the run: an apply cannot be repeated to get its report.

    :param stream_format: the format of stdout.
    :raises UsageError: an unknown format, or an invalid or duplicate path.
    """
    requests: list[ReportRequest] = []
    for each in given:
        name, _, path = each.partition("=")
        if name not in known or not path:
            raise UsageError(
                f"-o {each}: expected FORMAT=PATH", remedy=f"formats: {', '.join(known)}"
            )
        if any(path == other.path for other in requests):
            raise UsageError(f"-o {each}: {path} is already used by another report")
        if path == STDOUT and stream_format != "text":
            raise UsageError(f"-o {each}: stdout is taken by --format {stream_format}")
        if path != STDOUT:
            _prepare(path)
        requests.append(ReportRequest(name, path))
    return tuple(requests)


def write_reports(requests: Sequence[ReportRequest], report: Report | Reports) -> list[str]:
    """Write all reports. Return a message for each that could not be written."""
    problems = []
    for each in requests:
        text = render(each.format, report)
        problem = write_output(each, text)
        if problem is not None:
            problems.append(problem)
    return problems


def write_output(request: ReportRequest, text: str) -> str | None:
    """Write one report. Return a message if it could not be written."""
    if request.path == STDOUT:
        sys.stdout.write(for_stream(text, sys.stdout, request.format))
        return None
    try:
        write(request.path, text.encode("utf-8", ESCAPED))
    except OSError as error:
        return f"{request.path} cannot be written: {error.strerror}"
    return None


def complete(report: Report | Reports) -> Report | Reports:
    """Add what only the command line knows to a report, or to each of several."""
    from kestra_sync.cli.invocation import options_for
    from kestra_sync.report.report import Reports

    if isinstance(report, Reports):
        each = tuple(replace(placed(one), options=options_for) for one in report.reports)
        return replace(report, reports=each)
    return replace(placed(report), options=options_for)


def placed(report: Report) -> Report:
    """Add the directory of the run within the checkout: GitHub expects paths from its root."""
    root = os.environ.get("GITHUB_WORKSPACE", "")
    if not root:
        return report
    here, top = Path.cwd(), Path(root).resolve()
    if not here.is_relative_to(top) or here == top:
        return report
    return replace(report, prefix=here.relative_to(top).as_posix())


def failed(args: Sequence[str], report: Report) -> None:
    """Write the report of a run that ended with an exception, as requested by ``args``.

    The caller prints JSON on stdout and the text on stderr. The command line may be invalid:
    arguments that cannot be parsed are ignored.
    """
    stream_format = option_values(args, "--format", "KESTRA_SYNC_FORMAT")[-1:]
    environments = option_values(args, "--environment", "KESTRA_SYNC_ENVIRONMENT", "-e")
    report = replace(placed(report), environment="+".join(environments) or None)
    for name in stream_format:
        if name in STREAM_FORMATS and name not in ("json", "text"):
            sys.stdout.write(for_stream(reporter(name).render(report), sys.stdout, name))
    for each in option_values(args, "--output", "KESTRA_SYNC_OUTPUT", "-o"):
        with suppress(UsageError):
            write_reports(parse_outputs([each], "text"), report)
    sys.stdout.flush()


def option_values(args: Sequence[str], long: str, variable: str, short: str = "") -> list[str]:
    """Return the values of an option, even if the command line could not be parsed."""
    found = list(_values(args, long, short))
    return found or os.environ.get(variable, "").split()


def _values(args: Sequence[str], long: str, short: str) -> Iterator[str]:
    following = ""
    for arg in args:
        if following:
            yield arg
            following = ""
        elif arg in (long, short):
            following = arg
        elif arg.startswith(f"{long}="):
            yield arg.partition("=")[2]
        elif short and arg.startswith(short) and not arg.startswith("--"):
            yield arg.removeprefix(short)


def _prepare(path: str) -> None:
    try:
        check_writable(path, parents=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def worse(code: ExitCode, problems: Sequence[str]) -> ExitCode:
    """Return 1 if the run succeeded but a report could not be written."""
    fine = code in (ExitCode.OK, ExitCode.CHANGES)
    return ExitCode.FAILURE if problems and fine else code
