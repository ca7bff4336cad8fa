"""Without an environment, what is sent is the file's bytes."""

from __future__ import annotations

from collections.abc import Iterable

from kestra_sync.model import Desired, Flow


def render(flow: Flow) -> Desired:
    """The flow as it will be sent."""
    return Desired(flow, flow.document.data)


def render_all(flows: Iterable[Flow]) -> tuple[Desired, ...]:
    """The flows as they will be sent, in the same order."""
    return tuple(render(flow) for flow in flows)
