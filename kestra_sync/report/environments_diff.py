"""What two environments hold, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.commands.diff_environments import DiffResult
from kestra_sync.kinds.registry import diff_sources
from kestra_sync.model import ResourceId, counted
from kestra_sync.plan.diff import Hunk
from kestra_sync.report.as_json import diagnostics_json, hunk_json, name_json
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.plan_text import diff_lines


def diff_lines_of(result: DiffResult, before: str, after: str, *, context: int) -> Iterator[Line]:
    """What differs, and how."""
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
    """The members beside the frame."""
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
