"""The comment on a pull request and the summary of a CI step: Markdown within a limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kestra_sync.report.markdown import Parts, SectionLimits, assemble, overview, parts_of, whole
from kestra_sync.report.report import Report, Reports

#: The maximum length of a comment on GitHub, in characters.
COMMENT_LIMIT = 65_536
#: The maximum size of the summary of a step on GitHub, in bytes.
SUMMARY_LIMIT = 1024 * 1024


class CommentReporter:
    """``-o comment=FILE``: begins with the marker that identifies the comment."""

    name = "comment"

    def render(self, report: Report) -> str:
        """Render at most 65,536 characters."""
        return comment(report)

    def render_several(self, reports: Reports) -> str:
        """Render one comment for all environments."""
        head = f"{marker('+'.join(reports.environments))}\n\n{overview(reports)}"
        return _several(reports, head, COMMENT_LIMIT, _halves)


class SummaryReporter:
    """``-o summary=FILE``, such as ``$GITHUB_STEP_SUMMARY``."""

    name = "summary"

    def render(self, report: Report) -> str:
        """Render at most 1 MiB."""
        return fit(parts_of(report), SUMMARY_LIMIT, _bytes)

    def render_several(self, reports: Reports) -> str:
        """Render one summary for all environments."""
        return _several(reports, overview(reports), SUMMARY_LIMIT, _bytes)


def comment(report: Report, limit: int = COMMENT_LIMIT) -> str:
    """Return the comment, at most ``limit`` characters long."""
    parts = parts_of(report)
    parts = replace(parts, head=(marker(report.environment), *parts.head))
    return fit(parts, limit, _halves)


def _halves(text: str) -> int:
    # GitHub's database counts characters, its front end counts UTF-16 code units; the latter is
    # stricter and satisfies both.
    return len(text.encode("utf-16-le")) // 2


def _bytes(text: str) -> int:
    return len(text.encode())


def _several(reports: Reports, head: str, limit: int, size: Callable[[str], int]) -> str:
    """Return ``head`` and what fits of each report; longer reports get the room of short ones."""
    parts = [parts_of(each) for each in reports.reports]
    lengths = [size(assemble(each, whole(each))) for each in parts]
    left = limit - size(head) - len(parts)
    shares = {}
    for done, number in enumerate(sorted(range(len(parts)), key=lengths.__getitem__)):
        shares[number] = min(lengths[number], left // (len(parts) - done))
        left -= shares[number]
    texts = [fit(each, shares[number], size) for number, each in enumerate(parts)]
    return "\n".join([head, *texts])


def marker(environment: str | None) -> str:
    """The hidden line that identifies the comment of an environment."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "", environment or "")
    return f"<!-- kestra-sync:{name or 'default'} -->"


def fit(parts: Parts, limit: int, size: Callable[[str], int]) -> str:
    """Return as much as fits. Diffs are dropped first, from the last one, then the graph, then
    rows of the tables."""
    cut = whole(parts)
    text = assemble(parts, cut)
    for part in ("diffs", "graph", "problems", "tests", "changes"):
        if size(text) <= limit:
            return text
        cut = _shrink(parts, cut, part, limit, size)
        text = assemble(parts, cut)
    while size(text) > limit:
        # Only notices remain, and they are too long by themselves.
        text = f"{text[: len(text) * 3 // 4]}\n…\n"
    return text


def _shrink(
    parts: Parts, cut: SectionLimits, part: str, limit: int, size: Callable[[str], int]
) -> SectionLimits:
    """Return the largest limit of ``part`` that fits; 0 if none does."""
    low, high = 0, int(getattr(cut, part))
    while low < high:
        middle = (low + high + 1) // 2
        if size(assemble(parts, _cut(cut, part, middle))) <= limit:
            low = middle
        else:
            high = middle - 1
    return _cut(cut, part, low)


def _cut(cut: SectionLimits, part: str, number: int) -> SectionLimits:
    if part == "graph":
        return replace(cut, graph=bool(number))
    return replace(cut, **{part: number})  # type: ignore[arg-type]
