"""The members of ``render --format json`` beside the frame."""

from __future__ import annotations

from typing import Any

from kestra_sync.commands.render import RenderResult
from kestra_sync.model import FlowId
from kestra_sync.report.as_json import diagnostics_json


def render_json(result: RenderResult, environment: str | None) -> dict[str, Any]:
    """The flows with their sources, and where they came from."""
    return {
        "environment": environment,
        "flows": [
            {
                "flow": _flow(each.flow_id),
                "file_flow": _flow(each.flow.flow_id),
                "path": each.path,
                "changed": bool(each.steps),
                "sha256": each.sent_sha256,
                "source": each.sent.decode("utf-8", "replace"),
                "written": result.written.get(each.flow_id),
            }
            for each in result.desired
        ],
        "diagnostics": diagnostics_json(result.diagnostics),
    }


def _flow(flow_id: FlowId) -> dict[str, str]:
    return {"namespace": flow_id.namespace, "id": flow_id.id}
