"""Flows on the server with invalid names: reported and ignored."""

from __future__ import annotations

from collections.abc import Iterable

from kestra_sync.model import Diagnostic, FlowId, Severity
from kestra_sync.safe.names import is_flow_id, shown

RULE = "server-name"


def left_alone(flow_id: FlowId, why: str) -> Diagnostic:
    """The warning for one of them; the name is shown in printable ASCII."""
    return Diagnostic(
        "",
        None,
        Severity.WARNING,
        RULE,
        f"the flow {shown(str(flow_id))} on the server is ignored: {why}",
        "if it is yours, rename it on the server",
    )


def unusable_names(flow_ids: Iterable[FlowId]) -> tuple[Diagnostic, ...]:
    """A warning for each name that is not one of Kestra's."""
    return tuple(left_alone(each, _why(each)) for each in sorted(flow_ids))


def _why(flow_id: FlowId) -> str:
    if is_flow_id(flow_id):
        return "its id is not quoted, and YAML does not read it as text"
    return "not a valid name in Kestra"
