"""From the flows of the files to what is sent. Without an environment, that is the file's bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kestra_sync.model import Desired, Diagnostic, Flow


@dataclass(frozen=True)
class Rendered:
    """What will be sent, and what is wrong with the rendering.

    :param desired: one for each flow, in the same order.
    """

    desired: tuple[Desired, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def render(flows: Iterable[Flow]) -> Rendered:
    """The flows as they will be sent. The one place where sent bytes are made from file bytes."""
    return Rendered(tuple(Desired(flow, flow.document.data) for flow in flows))
