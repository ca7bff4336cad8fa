"""The table of all environments as text, JSON, Markdown and HTML; the differences of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.commands.diff_environments import DiffResult
from kestra_sync.commands.status import EnvironmentStatus, StatusResult
from kestra_sync.kinds.registry import diff_sources
from kestra_sync.model import ResourceId, counted, plural
from kestra_sync.plan.diff import Hunk
from kestra_sync.report.as_json import diagnostics_json, hunk_json, name_json
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.markdown_escape import prose
from kestra_sync.report.plan_text import diff_lines
from kestra_sync.report.records_text import table
from kestra_sync.safe.text import visible

_HEADINGS = (
    *("environment", "server", "version", "commit", "behind"),
    *("changes", "drift", "triggers off", "last apply"),
)


def status_lines(result: StatusResult) -> Iterator[Line]:
    """Show the table, and below it why values are missing."""
    yield from table([_HEADINGS, *map(_row, result.environments)])
    for each in result.environments:
        if each.error is not None:
            yield line(f"{_name(each)}: {each.error}")
            if each.remedy:
                yield line(f"  {each.remedy}")
        elif each.invalid:
            yield line(f"{_name(each)}: {plural(each.invalid, 'error')} in the files")


def status_markdown(result: StatusResult) -> str:
    """Render the table for comments and wikis."""
    rows = [_HEADINGS, *map(_row, result.environments)]
    cells = [" | ".join(prose(cell) for cell in row) for row in rows]
    lines = [f"| {cells[0]} |", "|" + "---|" * len(_HEADINGS), *(f"| {row} |" for row in cells[1:])]
    notes = [
        f"**{prose(_name(each))}**: {prose(each.error)}"
        + (f" ({prose(each.remedy)})" if each.remedy else "")
        for each in result.environments
        if each.error is not None
    ]
    return "\n".join(lines) + "\n" + "".join(f"\n{note}\n" for note in notes)


def status_html(result: StatusResult) -> str:
    """Render a self-contained page without scripts."""
    from kestra_sync.report.html import template

    rows = [[visible(cell) for cell in _row(each)] for each in result.environments]
    notes = [
        (_name(each), visible(" – ".join(filter(None, (each.error, each.remedy)))))
        for each in result.environments
        if each.error is not None
    ]
    return template("status.html").render(headings=_HEADINGS, rows=rows, notes=notes) + "\n"


def status_json(result: StatusResult) -> dict[str, Any]:
    """Return the members in addition to the envelope."""
    return {"environments": [_json(each) for each in result.environments]}


def _json(each: EnvironmentStatus) -> dict[str, Any]:
    last = each.last
    return {
        "environment": each.environment,
        "url": each.url or None,
        "tenant": each.tenant or None,
        "version": each.version,
        "reachable": each.version is not None,
        "changes": {
            name: each.changes.get(name, 0) for name in ("create", "update", "delete", "move")
        },
        "drift": each.drift,
        "triggers_off": each.triggers_off,
        "invalid": each.invalid,
        "behind": each.behind,
        "last_apply": None
        if last is None
        else {
            "time": last.time,
            "commit": last.commit,
            "dirty": last.dirty,
            "result": last.result,
            "by": last.by,
        },
        "error": each.error,
        "remedy": each.remedy,
    }


def _name(each: EnvironmentStatus) -> str:
    return each.environment or "(default)"


def _row(each: EnvironmentStatus) -> tuple[str, ...]:
    last = each.last
    commit = "-" if last is None or last.commit is None else last.commit[:10]
    known = each.error is None
    return (
        _name(each),
        each.url or "-",
        each.version or ("unreachable" if each.url else "-"),
        f"{commit} (dirty)" if last is not None and last.dirty else commit,
        "-" if each.behind is None else str(each.behind),
        _changes(each) if known else "-",
        "-" if each.drift is None else str(each.drift or "none"),
        "-" if each.triggers_off is None else str(each.triggers_off or "none"),
        "-" if last is None else f"{last.time} {last.result}",
    )


def _changes(each: EnvironmentStatus) -> str:
    if each.invalid:
        return "invalid"
    parts = [f"{count} to {name}" for name, count in sorted(each.changes.items()) if count]
    return ", ".join(parts) or "none"


def diff_lines_of(result: DiffResult, before: str, after: str, *, context: int) -> Iterator[Line]:
    """Show the differences."""
    yield line(f"{before}: {result.before.server}")
    yield line(f"{after}: {result.after.server}")
    yield BLANK
    for resource in result.only_before:
        yield line(Span(f"- {resource}", Style.DELETE), f"   only in {before}")
    for resource in result.only_after:
        yield line(Span(f"+ {resource}", Style.CREATE), f"   only in {after}")
    for resource in result.changed:
        yield line(Span(f"~ {resource}", Style.UPDATE))
        yield from diff_lines(_hunks(result, resource, context), indent=4)
    if not result.differs:
        found = result.before.sources
        yield line(f"No differences in {counted(found)}.")


def diff_json(result: DiffResult, before: str, after: str, *, context: int) -> dict[str, Any]:
    """Return the members in addition to the envelope."""
    return {
        "from": {"environment": before, "server": result.before.server},
        "to": {"environment": after, "server": result.after.server},
        "only_from": [name_json(each) for each in result.only_before],
        "only_to": [name_json(each) for each in result.only_after],
        "changed": [
            {
                "flow": name_json(each),
                "diff": [hunk_json(one) for one in _hunks(result, each, context)],
            }
            for each in result.changed
        ],
        "diagnostics": diagnostics_json((*result.before.diagnostics, *result.after.diagnostics)),
    }


def _hunks(result: DiffResult, resource: ResourceId, context: int) -> tuple[Hunk, ...]:
    before, after = result.before.sources[resource], result.after.sources[resource]
    return diff_sources(resource.kind, before, after, context=context)
