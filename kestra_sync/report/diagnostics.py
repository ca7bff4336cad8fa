"""Diagnostics as people and compilers write them: ``path:line:column: error[rule] message``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kestra_sync.model import Diagnostic, Severity
from kestra_sync.report.lines import Line, Span, Style, line

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
