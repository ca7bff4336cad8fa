"""``--only`` and ``--exclude``: patterns of flows, such as ``acme.sales/*``."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from kestra_sync.model import FlowId, Kind

_KINDS = frozenset(str(each) for each in Kind)


def selected(flow_id: FlowId, only: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether the flow is selected.

    A pattern without a slash is a namespace and covers all that is below it. One that begins with
    a kind (``kv:acme.sales/*``) covers only resources of that kind, any other all kinds.
    """
    if only and not any(_matches(flow_id, pattern) for pattern in only):
        return False
    return not any(_matches(flow_id, pattern) for pattern in exclude)


def _matches(flow_id: FlowId, pattern: str) -> bool:
    kind, colon, rest = pattern.partition(":")
    if colon and kind in _KINDS:
        if kind != flow_id.kind:
            return False
        pattern = rest
    if "/" in pattern:
        return fnmatchcase(f"{flow_id.namespace}/{flow_id.id}", pattern)
    return fnmatchcase(flow_id.namespace, pattern) or fnmatchcase(flow_id.namespace, f"{pattern}.*")
