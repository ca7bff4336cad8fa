"""The comment on a pull request and the summary of a CI step: Markdown within a limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kestra_sync.report.markdown import Parts, SectionLimits, assemble, overview, parts_of, whole
from kestra_sync.report.report import Report, Reports

#: Characters of a comment on GitHub.
COMMENT_LIMIT = 65_536
#: Bytes of the summary of one step on GitHub.
SUMMARY_LIMIT = 1024 * 1024


class CommentReporter:
    """``-o comment=FILE``: begins with the marker by which the comment is found again."""

    name = "comment"

    def render(self, report: Report) -> str:
        """65,536 characters at most."""
        return comment(report)

    def render_several(self, reports: Reports) -> str:
        """One comment for all of them."""
        head = f"{marker('+'.join(reports.environments))}\n\n{overview(reports)}"
        return _several(reports, head, COMMENT_LIMIT, _halves)


class SummaryReporter:
    """``-o summary=FILE``, such as ``$GITHUB_STEP_SUMMARY``."""

    name = "summary"

    def render(self, report: Report) -> str:
        """1 MiB at most."""
        return fit(parts_of(report), SUMMARY_LIMIT, _bytes)

    def render_several(self, reports: Reports) -> str:
        """One summary for all of them."""
        return _several(reports, overview(reports), SUMMARY_LIMIT, _bytes)


def comment(report: Report, limit: int = COMMENT_LIMIT) -> str:
    """The comment, ``limit`` characters long at most."""
    parts = parts_of(report)
    parts = replace(parts, head=(marker(report.environment), *parts.head))
    return fit(parts, limit, _halves)


def _halves(text: str) -> int:
    # GitHub's database counts characters, its front end the halves of those beyond the first
    # 65,536 of Unicode; the stricter count fits both.
    return len(text.encode("utf-16-le")) // 2


def _bytes(text: str) -> int:
    return len(text.encode())


def _several(reports: Reports, head: str, limit: int, size: Callable[[str], int]) -> str:
    """``head``, and what fits of each report; what a short one leaves is for the longer ones."""
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
    """As much as fits: diffs go first, the last ones before the first, then the drawing, then
    rows of the tables."""
    cut = whole(parts)
    text = assemble(parts, cut)
    for part in ("diffs", "graph", "problems", "tests", "changes"):
        if size(text) <= limit:
            return text
        cut = _shrink(parts, cut, part, limit, size)
        text = assemble(parts, cut)
    while size(text) > limit:
        # Nothing but notices is left, and they alone are too long.
        text = f"{text[: len(text) * 3 // 4]}\n…\n"
    return text


def _shrink(
    parts: Parts, cut: SectionLimits, part: str, limit: int, size: Callable[[str], int]
) -> SectionLimits:
    """The largest cut of ``part`` that fits; 0 if none does."""
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
