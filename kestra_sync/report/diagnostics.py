"""Diagnostics as people and compilers write them: ``path:line:column: error[rule] message``.

And the result of ``validate``, which consists of them, and the explanations of their rules.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kestra_sync.model import Diagnostic, Repository, Severity, plural
from kestra_sync.plan.refusals import Refusal
from kestra_sync.report.lines import (
    BLANK,
    Line,
    Section,
    Span,
    Style,
    folders,
    kind_counts,
    line,
    message,
)

if TYPE_CHECKING:
    from kestra_sync.commands.explain import Explanation


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
        if not place and each.flow is not None and str(each.flow) not in each.message:
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
    """List the diagnostics and the skipped files, then the verdict in one line."""
    if diagnostics:
        yield from diagnostic_lines(diagnostics)
        yield from hint_lines((each.rule, each.severity) for each in diagnostics)
        yield BLANK
    yield from skipped_lines(repository)
    by = f"by {server}" if server else "offline"
    found = counts(diagnostics)
    flows = f"{plural(len(repository.flows), 'flow')} in {folders(repository.source)}"
    if other_counts := kind_counts(repository.other_resources):
        flows += f", {other_counts}"
    verdict = found or "all valid"
    yield line(Span(f"{flows} checked {by}: {verdict}.", Style.GOOD if valid else Style.ERROR))


def skipped_lines(repository: Repository) -> Iterator[Line]:
    """List the files that were read but are not flows; always reported."""
    for each in repository.skipped:
        place = each.path if each.first_line == 1 else f"{each.path}:{each.first_line}"
        yield line(Span(f"skipped {place}: {each.reason}", Style.DIM))


_WIDTH = 80
_LINK = re.compile(r"\[([^\]]+)\]\((?:[^)]+)\)")


def explanation_lines(found: Explanation) -> Iterator[Line]:
    """Show the name, its severity, the meaning and the remedy."""
    yield line(Span(found.rule, Style.HEADING), f"  {_kind(found)}")
    for each in found.paragraphs:
        yield BLANK
        # Links only work on the page; their text is sufficient here.
        plain = " ".join(_LINK.sub(r"\1", each).split())
        for row in textwrap.wrap(plain, _WIDTH, break_long_words=False, break_on_hyphens=False):
            yield line(row)
    yield BLANK
    yield line(Span(found.url, Style.DIM))


def _kind(found: Explanation) -> str:
    if found.severity is None:
        return f"({found.group})"
    words = str(found.severity)
    if found.if_accepted is not found.severity:
        words += f", {found.if_accepted} if the server accepts the flow"
    return f"({found.group}: {words})"


def list_lines(found: Sequence[Explanation]) -> Iterator[Line]:
    """List the names by group, one per line."""
    width = max(len(each.rule) for each in found)
    group = ""
    for each in found:
        if each.group != group:
            yield from [BLANK] if group else []
            yield line(Span(each.group, Style.HEADING))
            group = each.group
        meaning = " ".join(_LINK.sub(r"\1", each.paragraphs[0]).split())
        yield line(f"  {each.rule:<{width}}  {meaning}")


def explanation_json(found: Explanation) -> dict[str, Any]:
    """One of the ``rules``."""
    return {
        "rule": found.rule,
        "group": found.group,
        "severity": None if found.severity is None else str(found.severity),
        "severity_if_accepted": None if found.if_accepted is None else str(found.if_accepted),
        "text": "\n\n".join(found.paragraphs),
        "url": found.url,
    }


def hint_lines(rules: Iterable[tuple[str, Severity]]) -> Iterator[Line]:
    """Suggest ``explain`` for one of ``rules``, once per run: the first of the most severe."""
    order = [Severity.ERROR, Severity.WARNING]
    found = [(order.index(weight), rule) for rule, weight in rules if weight in order]
    if found:
        worst = min(found, key=lambda each: each[0])[1]
        yield line(Span(f"To learn more: kestra-sync explain {worst}", Style.DIM))


def refusal_lines(refusals: Sequence[Refusal]) -> Iterator[Line]:
    """List why the plan is refused: each guard with its numbers and the remedy."""
    for each in refusals:
        yield line(Span(f"refused[{each.rule}]", Style.ERROR), f" {each.message}")
        yield line(Span(f"    {each.remedy}", Style.DIM))


def problem_sections(
    diagnostics: Sequence[Diagnostic], refusals: Sequence[Refusal], *, invalid: bool
) -> Iterator[Section]:
    """Show the problems of a plan and how to learn more about them, below the plan.

    :param invalid: errors in the files prevent all writes.
    """
    yield message(diagnostic_lines(diagnostics))
    if invalid:
        words = f"Nothing can be applied: {counts(diagnostics)} in files."
        yield message([line(Span(words, Style.ERROR))])
    yield message(refusal_lines(refusals))
    refused = [(each.rule, Severity.ERROR) for each in refusals]
    yield message(hint_lines([*refused, *((each.rule, each.severity) for each in diagnostics)]))
