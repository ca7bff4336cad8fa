"""Explanations of rules as text and as JSON, and the hint at them below a list of findings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kestra_sync.model import Severity
from kestra_sync.report.lines import BLANK, Line, Span, Style, line

if TYPE_CHECKING:
    from kestra_sync.commands.explain import Explanation

_WIDTH = 80
_LINK = re.compile(r"\[([^\]]+)\]\((?:[^)]+)\)")


def explanation_lines(found: Explanation) -> Iterator[Line]:
    """The name, its severity, the meaning and what to do."""
    yield line(Span(found.rule, Style.HEADING), f"  {_kind(found)}")
    for each in found.paragraphs:
        yield BLANK
        # Links are for the page; their text names what they lead to.
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
    """One line per name, below their groups."""
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
    """How to learn more about one of ``rules``: once per run, the first of the worst."""
    order = [Severity.ERROR, Severity.WARNING]
    found = [(order.index(weight), rule) for rule, weight in rules if weight in order]
    if found:
        worst = min(found, key=lambda each: each[0])[1]
        yield line(Span(f"To learn more: kestra-sync explain {worst}", Style.DIM))
