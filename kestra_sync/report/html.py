"""A report as one self-contained HTML page: no server, no network, no other files.

The page comes from ``templates/report.html`` by Jinja with autoescape on, and everything that is
put into it goes through ``visible`` before. Its own style and script are named by their hashes in a
content security policy that allows nothing else, so nothing that may ever slip through can run or
ask for anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from kestra_sync.model import Change, Kind
from kestra_sync.plan.diff import Hunk, LineMark
from kestra_sync.report.change_diffs import Diff, diffs_of
from kestra_sync.report.diagnostics import where
from kestra_sync.report.findings import findings
from kestra_sync.report.graph_svg import SHAPES, svg
from kestra_sync.report.markdown import change_note, change_sign, change_words, verdict, verdicts
from kestra_sync.report.markdown_escape import plain_address
from kestra_sync.report.next_step import digest, next_step
from kestra_sync.report.report import Report, Reports
from kestra_sync.report.report_graph import report_graph
from kestra_sync.report.trigger_text import triggers_of
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from jinja2 import Template

#: With more flows, the graph only shows the changes and their neighbors.
GRAPH_LIMIT = 250
#: The maximum number of lines of a flow's diff; the JSON has all of them.
_DIFF_LINES = 5_000

_KINDS = {
    LineMark.SAME: "same",
    LineMark.ADDED: "added",
    LineMark.REMOVED: "removed",
    LineMark.NOTE: "note",
}


@dataclass(frozen=True)
class Row:
    """A line of a diff: its kind, its line numbers on both sides, its text."""

    kind: str
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True)
class Card:
    """A flow, file or key on the page.

    :param kind: before its name, such as ``file:``; ``""`` for a flow.
    """

    anchor: str
    action: str
    sign: str
    namespace: str
    name: str
    note: str
    facts: tuple[tuple[str, str], ...]
    diffs: tuple[tuple[str, tuple[Row, ...]], ...]
    triggers: tuple[str, ...] = ()
    kind: str = ""


class HtmlReporter:
    """``-o html=FILE``."""

    name = "html"

    def render(self, report: Report) -> str:
        """The whole page."""
        cards = tuple(_cards(report))
        return _render("report.html", {"good": _good(report), **_members(report, cards)})

    def render_several(self, reports: Reports) -> str:
        """Render one page with an overview and a section for each environment."""
        pages = []
        for number, report in enumerate(reports.reports, start=1):
            prefix = f"environment-{number}-"
            pages.append(_members(report, tuple(_cards(report, prefix))))
        members = {
            "cards": tuple(card for page in pages for card in page["cards"]),
            "good": all(map(_good, reports.reports)) and not reports.not_attempted,
            "command": reports.command,
            "verdicts": list(verdicts(reports)),
            "pages": pages,
            "left": reports.not_attempted,
        }
        return _render("several.html", members)


def _members(report: Report, cards: tuple[Card, ...]) -> dict[str, Any]:
    """Return the variables of the template of a run."""
    return {
        "report": report,
        "cards": cards,
        "verdict": verdict(report),
        "findings": findings(report),
        "step": next_step(report),
        "digest": digest(report),
        "drawing": _drawing(report, cards),
    }


def _render(name: str, members: Mapping[str, Any]) -> str:
    cards: tuple[Card, ...] = members["cards"]
    style, script = _asset("report.css") + SHAPES, _asset("report.js")
    given = {
        "actions": _counted(card.action for card in cards),
        "heading": "Flows, files, keys" if any(each.kind for each in cards) else "Flows",
        "namespaces": _counted(card.namespace for card in cards),
        "where": where,
        "address": plain_address,
        "style": _trusted(style),
        "script": _trusted(script),
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }
    return template(name).render({**given, **members})


@cache
def template(name: str) -> Template:
    """Load a template: all values are escaped and made visible."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def harmless(value: Any) -> Any:
        if isinstance(value, Markup) or not isinstance(value, str):
            return value
        return "\n".join(visible(line) for line in value.split("\n"))

    environment = Environment(
        loader=PackageLoader("kestra_sync.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def _asset(name: str) -> str:
    text = (files("kestra_sync.report") / "templates" / name).read_text(encoding="utf-8")
    return f"\n{text}"


def _trusted(text: str) -> Any:
    """Mark our own markup as safe. Never used for text from a flow or a server."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _good(report: Report) -> bool:
    return report.failure is None and int(report.exit_code) in (0, 2) and not report.drifted


def _counted(values: Iterator[str]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return sorted(found.items())


def _cards(report: Report, prefix: str = "") -> Iterator[Card]:
    outcomes = {each.change.flow_id: each for each in report.outcomes or ()}
    for number, change in enumerate(report.changes):
        facts = [("file", change.path or "")]
        if change.revision is not None:
            facts.append(("revision", str(change.revision)))
        outcome = outcomes.get(change.flow_id)
        if outcome is not None:
            facts.append(("result", str(outcome.status).replace("-", " ")))
            facts.append(("", outcome.message))
        yield Card(
            f"{prefix}flow-{number}",
            change_words(report, change),
            change_sign(report, change),
            change.flow_id.namespace,
            change.flow_id.id,
            change_note(report, change),
            tuple((name, value) for name, value in facts if value),
            tuple((diff.title, tuple(_rows(diff))) for diff in _diffs(report, change)),
            tuple(triggers_of(report, change)),
            "" if change.flow_id.kind is Kind.FLOW else f"{change.flow_id.kind}:",
        )


def _diffs(report: Report, change: Change) -> tuple[Diff, ...]:
    return diffs_of(report, change, whole=True)


def _rows(diff: Diff) -> Iterator[Row]:
    left = _DIFF_LINES
    for hunk in diff.hunks:
        if hunk.heading:
            yield Row("hunk", None, None, hunk.heading)
        yield from list(_lines(hunk))[: max(left, 0)]
        left -= len(hunk.lines)
        if left <= 0:
            yield Row("hunk", None, None, "… more lines: see --format json")
            return


def _lines(hunk: Hunk) -> Iterator[Row]:
    old, new = hunk.old_start, hunk.new_start
    for mark, text in hunk.lines:
        in_old = mark in (LineMark.SAME, LineMark.REMOVED)
        in_new = mark in (LineMark.SAME, LineMark.ADDED)
        yield Row(_KINDS[mark], old if in_old else None, new if in_new else None, text)
        old += in_old
        new += in_new


def _drawing(report: Report, cards: tuple[Card, ...]) -> Any:
    graph = report_graph(report, GRAPH_LIMIT)
    if graph is None:
        return None
    anchors = {
        each.flow_id: f"#{card.anchor}" for each, card in zip(report.changes, cards, strict=True)
    }
    # Every name in it is escaped when the drawing is made.
    return _trusted(svg(graph, standalone=False, address=anchors.get))
