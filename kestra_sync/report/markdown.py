"""A report as Markdown, in parts, so that it can be reduced to the size of a comment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kestra_sync.apply.run import ChangeStatus
from kestra_sync.errors import ExitCode
from kestra_sync.model import Change, Severity, counted, noun_of, plural
from kestra_sync.report.apply_text import applied_summary
from kestra_sync.report.change_diffs import Diff, diffs_of
from kestra_sync.report.diagnostics import counts, where
from kestra_sync.report.drift_text import words
from kestra_sync.report.findings import findings
from kestra_sync.report.graph_mermaid import mermaid
from kestra_sync.report.lines import is_alert, is_conflict, note, sign, summary
from kestra_sync.report.markdown_escape import code, fenced, link, own_address, prose
from kestra_sync.report.next_step import digest, next_step
from kestra_sync.report.preview_text import SHOWN_LINKS, down_words, is_up, where_up
from kestra_sync.report.report import Report, Reports
from kestra_sync.report.report_graph import report_graph
from kestra_sync.report.smoke_text import smoke_summary
from kestra_sync.report.trigger_text import checked_words, triggers_of

#: With more flows, the graph is unreadable in a comment.
GRAPH_LIMIT = 50
#: The maximum number of lines of a flow's diff; other formats have all of them.
_DIFF_LINES = 400


@dataclass(frozen=True)
class Table:
    """A table that can be truncated. Cells are already Markdown."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    what: str

    def text(self, limit: int) -> str:
        """Return the first ``limit`` rows, and the number of further rows."""
        lines = [_row(self.head), _row("---" for _ in self.head)]
        lines += [_row(each) for each in self.rows[:limit]]
        left = len(self.rows) - limit
        if left > 0:
            lines.append(f"\n… and {plural(left, self.what)} more.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Parts:
    """A report in the order in which it is read. Each part is one or more blocks."""

    head: tuple[str, ...]
    changes: Table
    diffs: tuple[str, ...]
    problems: Table
    tests: Table
    graph: str
    tail: tuple[str, ...]


@dataclass(frozen=True)
class SectionLimits:
    """How much to show of each part."""

    diffs: int
    graph: bool
    problems: int
    tests: int
    changes: int


class MarkdownReporter:
    """``--format markdown``: all of it."""

    name = "markdown"

    def render(self, report: Report) -> str:
        """The whole document."""
        parts = parts_of(report)
        return assemble(parts, whole(parts))

    def render_several(self, reports: Reports) -> str:
        """Render an overview, followed by the documents."""
        return "\n".join([overview(reports), *map(self.render, reports.reports)])


def whole(parts: Parts) -> SectionLimits:
    """Everything."""
    return SectionLimits(
        len(parts.diffs),
        bool(parts.graph),
        len(parts.problems.rows),
        len(parts.tests.rows),
        len(parts.changes.rows),
    )


def assemble(parts: Parts, cut: SectionLimits) -> str:
    """The document, with a newline at its end."""
    blocks = list(parts.head)
    if parts.changes.rows:
        blocks.append(parts.changes.text(cut.changes))
    blocks += parts.diffs[: cut.diffs]
    left = len(parts.diffs) - cut.diffs
    if left:
        blocks.append(
            f"… {plural(left, 'diff')} omitted because of the size limit: see the log, the JSON "
            f"or the HTML report."
        )
    if parts.problems.rows:
        blocks += ["#### Problems", parts.problems.text(cut.problems)]
    if parts.tests.rows:
        blocks += ["#### Smoke tests", parts.tests.text(cut.tests)]
    if parts.graph and cut.graph:
        blocks.append(parts.graph)
    blocks += parts.tail
    return "\n\n".join(blocks) + "\n"


def parts_of(report: Report) -> Parts:
    """Return all parts of a report."""
    return Parts(
        tuple(_head(report)),
        _changes(report),
        tuple(_diffs(report)),
        _problems(report),
        _tests(report),
        _graph(report),
        tuple(_tail(report)),
    )


def _head(report: Report) -> Iterator[str]:
    where_to = f" · {code(report.environment)}" if report.environment else ""
    yield f"### kestra-sync {report.command}{where_to}"
    address, _, version = (report.server or "").partition(" ")
    server = f" · {own_address(address)} {prose(version)}" if address else ""
    yield f"**{prose(verdict(report))}**{server}"
    if report.preview is not None and is_up(report.preview):
        yield prose(where_up(report.preview))
    if report.failure is not None:
        content = [f"**{prose(report.failure.kind)}**: {prose(report.failure.message)}"]
        yield _alert("CAUTION", content)
    for refusal in report.refusals:
        content = [f"**Refused** {code(refusal.rule)}: {prose(refusal.message)}."]
        if refusal.remedy:
            content.append(f"{prose(refusal.remedy)}.")
        yield _alert("CAUTION", content)
    if report.trigger_checks:
        yield prose(checked_words(report.trigger_checks))
    for text in report.notes:
        yield _alert("WARNING", [f"{prose(text)}."])
    edited = [each for each in report.changes if is_alert(each) and each.writes]
    if edited and report.drifted is None and not report.outcomes:
        what = counted(each.flow_id for each in edited)
        named = f"{what} was" if len(edited) == 1 else f"{what} were"
        kept = [each for each in edited if is_conflict(each)]
        doing = "see the conflict below" if kept else "apply will revert this"
        yield _alert("WARNING", [f"{named} edited on the server; {doing}."])
    if report.plan is not None and report.plan.partial:
        yield _alert("NOTE", ["Partial run: nothing is deleted."])


def verdict(report: Report) -> str:
    """Return the result in one sentence."""
    if report.failure is not None:
        return f"Failed with exit code {int(report.exit_code)}."
    if report.removals is not None:
        return " ".join(map(down_words, report.removals)) or "No expired previews."
    if report.outcomes:
        content = applied_summary(report.outcomes, interrupted=report.interrupted)
        return f"{content} {smoke_summary(report.smoke)}" if report.smoke is not None else content
    if report.declined:
        return "Not applied: declined."
    if report.smoke is not None:
        return smoke_summary(report.smoke)
    if report.drifted is not None and report.plan is not None:
        if not report.drifted:
            return "No drift: the server matches the last apply."
        return f"Drift: {counted(each.flow_id for each in report.drifted)} changed on the server."
    if report.plan is not None:
        return summary(report.plan)
    found = counts(report.diagnostics) or "all valid"
    if report.repository is None:
        return f"{found[:1].upper()}{found[1:]}."
    flows = (each.flow_id for each in report.repository.flows)
    return f"{counted([*flows, *report.repository.other_resources])} checked: {found}."


def verdicts(reports: Reports) -> Iterator[tuple[str, str]]:
    """Return the result of each environment of a run over several."""
    for each in reports.reports:
        content = verdict(each)
        if each.failure is not None:
            content = each.failure.message.partition("\n")[0]
        elif each.refusals:
            content = f"Refused: {', '.join(one.rule for one in each.refusals)}."
        elif each.exit_code is ExitCode.INVALID:
            content = f"Invalid: {counts(each.diagnostics)}."
        yield each.environment or "", content
    yield from ((name, "Not attempted.") for name in reports.not_attempted)


def overview(reports: Reports) -> str:
    """The heading of a run over several environments, and a table of them."""
    rows = tuple((code(name), prose(content)) for name, content in verdicts(reports))
    table = Table(("environment", "result"), rows, "environment").text(len(rows))
    count = plural(len(reports.environments), "environment")
    return f"### kestra-sync {reports.command} · {count}\n\n{table}\n"


def change_words(report: Report, change: Change) -> str:
    """Return the change in one word."""
    if report.drifted is not None or (is_alert(change) and change.writes):
        return "conflict" if is_conflict(change) else "drift"
    return str(change.reason if not change.writes else change.action)


def change_note(report: Report, change: Change) -> str:
    """Return the reason in words."""
    return words(change) if report.drifted is not None else note(change)


def change_sign(report: Report, change: Change) -> str:
    """Return the sign of the change."""
    return "!" if report.drifted is not None else sign(change)


def _changes(report: Report) -> Table:
    outcomes = {each.change.flow_id: each for each in report.outcomes or ()}
    noun = noun_of(each.flow_id for each in report.changes)
    head = ("", noun, "revision", "file", "")
    rows = []
    for each in report.changes:
        row = [
            f"{code(change_sign(report, each))} {change_words(report, each)}",
            code(str(each.flow_id)),
            "" if each.revision is None else str(each.revision),
            code(each.path) if each.path else "",
            prose(change_note(report, each)),
        ]
        row[-1] = "<br>".join(filter(None, [row[-1], *map(prose, triggers_of(report, each))]))
        if outcomes:
            outcome = outcomes.get(each.flow_id)
            row.insert(1, "" if outcome is None else _status(outcome.status))
        rows.append(tuple(row))
    return Table((*head[:1], "result", *head[1:]) if outcomes else head, tuple(rows), noun)


def _status(status: ChangeStatus) -> str:
    words_of = str(status).replace("-", " ")
    return words_of if status is ChangeStatus.APPLIED else f"**{words_of}**"


def _diffs(report: Report) -> Iterator[str]:
    for change in report.changes:
        for diff in diffs_of(report, change):
            title = f" · {prose(diff.title)}" if diff.title else ""
            heading = f"<details><summary>{code(str(change.flow_id))}{title}</summary>"
            yield f"{heading}\n\n{fenced(_diff_lines(diff), 'diff')}\n\n</details>"


def _diff_lines(diff: Diff) -> list[str]:
    lines = []
    for hunk in diff.hunks:
        lines.append(f"@@ {hunk.heading} @@")
        lines += [f"{mark.value}{text}" for mark, text in hunk.lines]
    if len(lines) > _DIFF_LINES:
        left = len(lines) - _DIFF_LINES
        lines = [*lines[:_DIFF_LINES], f"@@ … {left:,} more lines @@"]
    return lines


def _problems(report: Report) -> Table:
    # Refusals are already above the table, drift is in it, and failed tests are below.
    ruled_out = {"drift", "smoke", *(each.rule for each in report.refusals)}
    rows = []
    for each in findings(report):
        if each.rule in ruled_out:
            continue
        place = where(each) or (str(each.flow) if each.flow else "")
        severity = f"**{each.severity}**" if each.severity is Severity.ERROR else each.severity
        content = prose(each.message) + (f"<br>{prose(each.remedy)}" if each.remedy else "")
        rows.append((str(severity), code(place) if place else "", code(each.rule), content))
    return Table(("", "where", "rule", ""), tuple(rows), "problem")


def _tests(report: Report) -> Table:
    rows = []
    for run in report.smoke.runs if report.smoke is not None else ():
        content = "<br>".join(prose(each.message) for each in run.failures) or prose(run.reason)
        if run.culprit is not None and run.culprit.error:
            content += f"<br>{code(' › '.join(run.culprit.chain))} {prose(run.culprit.error)}"
        verdict_ = str(run.verdict).replace("-", " ")
        kept = run.url and run.cleanup is not None and run.cleanup.kept
        rows.append(
            (
                verdict_ if run.verdict.value in ("passed", "skipped") else f"**{verdict_}**",
                code(run.spec.title),
                "" if run.seconds is None else f"{run.seconds:.1f} s",
                content + (f" {link('execution', run.url)}" if kept and run.url else ""),
            )
        )
    return Table(("", "test", "time", ""), tuple(rows), "test")


def _graph(report: Report) -> str:
    if not report.changes:
        return ""
    graph = report_graph(report, GRAPH_LIMIT, whole=False)
    if graph is None:
        return ""
    drawing = fenced(mermaid(graph).splitlines(), "mermaid")
    summary_ = "<details><summary>Dependencies of the changed flows</summary>"
    return f"{summary_}\n\n{drawing}\n\n</details>"


def _tail(report: Report) -> Iterator[str]:
    if report.preview is not None and is_up(report.preview):
        yield "#### Flows of the preview"
        links = report.preview.links
        shown = [f"- {link(str(key), url)}" for key, url in links[:SHOWN_LINKS]]
        if len(links) > SHOWN_LINKS:
            shown.append(f"- … and {plural(len(links) - SHOWN_LINKS, 'more flow')}")
        yield "\n".join(shown)
    step = next_step(report)
    if step is not None:
        yield f"**Next:** {prose(step.words)}"
        if step.command:
            yield fenced([step.command], "sh")
    found = digest(report)
    if found is not None:
        yield f"<sub>Plan {code(found)}</sub>"


def _alert(kind: str, lines: Sequence[str]) -> str:
    return "\n".join([f"> [!{kind}]", *(f"> {each}  " for each in lines)]).rstrip()


def _row(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
