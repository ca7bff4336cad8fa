"""Diagnostics as people and compilers write them: ``path:line:column: error[rule] message``.

And the result of ``validate``, which consists of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kestra_sync.model import Diagnostic, Repository, Severity
from kestra_sync.report.explain_text import hint_lines
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.wording import folders, kind_counts, plural

_STYLES = {
    Severity.ERROR: Style.ERROR,
    Severity.WARNING: Style.WARNING,
    Severity.INFO: Style.DIM,
}


def where(diagnostic: Diagnostic) -> str:
    """``path:line:column``, as far as it is known."""
    parts = [diagnostic.path] if diagnostic.path else []
    if diagnostic.position is not None:
        parts += [str(diagnostic.position.line), str(diagnostic.position.column)]
    return ":".join(parts)


def diagnostic_lines(diagnostics: Iterable[Diagnostic]) -> Iterator[Line]:
    """Each diagnostic with its remedy below it, in the order of the files."""
    for each in sorted(diagnostics, key=lambda each: each.sort_key):
        place = where(each)
        if not place and each.flow is not None:
            place = str(each.flow)
        yield line(
            Span(f"{place}: " if place else "", Style.HEADING),
            Span(f"{each.severity}[{each.rule}]", _STYLES[each.severity]),
            f" {each.message}",
        )
        if each.remedy:
            yield line(Span(f"    {each.remedy}", Style.DIM))


def counts(diagnostics: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning``; empty if there are none."""
    parts = []
    for severity in (Severity.ERROR, Severity.WARNING):
        number = sum(each.severity is severity for each in diagnostics)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return ", ".join(parts)


def validate_lines(
    repository: Repository, diagnostics: Sequence[Diagnostic], server: str | None, *, valid: bool
) -> Iterator[Line]:
    """Every diagnostic, what was skipped and why, and one line with the verdict."""
    if diagnostics:
        yield from diagnostic_lines(diagnostics)
        yield from hint_lines((each.rule, each.severity) for each in diagnostics)
        yield BLANK
    yield from skipped_lines(repository)
    by = f"by {server}" if server else "offline"
    found = counts(diagnostics)
    flows = f"{plural(len(repository.flows), 'flow')} in {folders(repository.source)}"
    if counts_beside := kind_counts(repository.beside):
        flows += f", {counts_beside}"
    verdict = found or "all valid"
    yield line(Span(f"{flows} checked {by}: {verdict}.", Style.GOOD if valid else Style.ERROR))


def skipped_lines(repository: Repository) -> Iterator[Line]:
    """What was read but is not a flow: always reported."""
    for each in repository.skipped:
        place = each.path if each.first_line == 1 else f"{each.path}:{each.first_line}"
        yield line(Span(f"skipped {place}: {each.reason}", Style.DIM))
