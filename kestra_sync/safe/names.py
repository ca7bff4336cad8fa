"""The names that Kestra gives. Other names from a server are not trusted.

Names become paths, parts of URLs and lines of reports, so they are checked where they enter.
"""

from __future__ import annotations

import re

from kestra_sync.model import FlowId, Kind, ResourceId

#: As Kestra 1.0 to 2.0 check them; lengths included.
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,149}")
_FLOW = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")
_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,249}")
_SHOWN = 60


def is_namespace(text: str) -> bool:
    """Whether Kestra accepts ``text`` as a namespace."""
    return _NAMESPACE.fullmatch(text) is not None


def is_flow_name(text: str) -> bool:
    """Whether Kestra accepts ``text`` as the id of a flow."""
    return _FLOW.fullmatch(text) is not None


def is_flow_id(flow_id: FlowId) -> bool:
    """Whether both parts of a name are as Kestra accepts them."""
    return is_namespace(flow_id.namespace) and is_flow_name(flow_id.id)


def is_resource_id(resource: ResourceId) -> bool:
    """Whether a name is one that kestra-sync can have given: a record may be forged."""
    if not is_namespace(resource.namespace):
        return False
    if resource.kind is Kind.FLOW:
        return is_flow_name(resource.id)
    if resource.kind is Kind.KV:
        return _KEY.fullmatch(resource.id) is not None
    parts = resource.id.split("/")
    return (
        parts[0] != "_flows"
        and not {"", ".", ".."}.intersection(parts)
        and (resource.id.isprintable())
    )


def shown(text: str) -> str:
    """``text`` in quotes, in printable ASCII, and not too much of it."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 4]}...'"
