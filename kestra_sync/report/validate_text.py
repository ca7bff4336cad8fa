"""The result of ``validate`` as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kestra_sync.model import Diagnostic, Repository
from kestra_sync.report.diagnostics import counts, diagnostic_lines
from kestra_sync.report.explain_text import hint_lines
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.wording import folders, kind_counts, plural


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
