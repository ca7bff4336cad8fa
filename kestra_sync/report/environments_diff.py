"""What two environments hold, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.commands.diff_environments import DiffResult
from kestra_sync.kinds.diffs import diff_flows
from kestra_sync.model import FlowId
from kestra_sync.report.as_json import diagnostics_json, hunk_json
from kestra_sync.report.diff_text import diff_lines
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.report.wording import plural


def diff_lines_of(result: DiffResult, before: str, after: str, *, context: int) -> Iterator[Line]:
    """Which flows differ, and how."""
    yield line(f"{before}: {result.before.server}")
    yield line(f"{after}: {result.after.server}")
    yield BLANK
    for flow_id in result.only_before:
        yield line(Span(f"- {flow_id}", Style.DELETE), f"   only in {before}")
    for flow_id in result.only_after:
        yield line(Span(f"+ {flow_id}", Style.CREATE), f"   only in {after}")
    for flow_id in result.changed:
        yield line(Span(f"~ {flow_id}", Style.UPDATE))
        yield from diff_lines(_hunks(result, flow_id, context), indent=4)
    if not result.differs:
        flows = plural(len(result.before.sources), "flow")
        yield line(f"No differences in {flows}.")


def diff_json(result: DiffResult, before: str, after: str, *, context: int) -> dict[str, Any]:
    """The members beside the frame."""
    return {
        "from": {"environment": before, "server": result.before.server},
        "to": {"environment": after, "server": result.after.server},
        "only_from": [_flow(each) for each in result.only_before],
        "only_to": [_flow(each) for each in result.only_after],
        "changed": [
            {"flow": _flow(each), "diff": [hunk_json(one) for one in _hunks(result, each, context)]}
            for each in result.changed
        ],
        "diagnostics": diagnostics_json((*result.before.diagnostics, *result.after.diagnostics)),
    }


def _hunks(result: DiffResult, flow_id: FlowId, context: int) -> Any:
    before, after = result.before.sources[flow_id], result.after.sources[flow_id]
    return diff_flows(before, after, context=context)


def _flow(flow_id: FlowId) -> dict[str, str]:
    return {"namespace": flow_id.namespace, "id": flow_id.id}
