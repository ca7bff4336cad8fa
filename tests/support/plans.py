"""Plans and changes from plain values, for tests of their consumers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kestra_sync.model import (
    Action,
    Base,
    Change,
    Desired,
    Document,
    Flow,
    FlowId,
    Live,
    Plan,
    Reason,
    Scope,
    Target,
    sha256,
)


def source(name: str, message: str = "hello", *, namespace: str = "acme", extra: str = "") -> bytes:
    """A small flow."""
    return (
        f"id: {name}\nnamespace: {namespace}\n"
        "tasks:\n  - id: send\n    type: io.kestra.plugin.core.log.Log\n"
        f'    message: "{message}"\n{extra}'
    ).encode()


def desired(data: bytes, flow_id: FlowId, path: str = "", *, first_line: int = 1) -> Desired:
    """A flow in Git."""
    document = Document(path or f"flows/{flow_id.id}.yaml", 0, first_line, data)
    return Desired(Flow(flow_id, document), data)


def live(data: bytes, flow_id: FlowId, revision: int | None = 1) -> Live:
    """A flow on the server."""
    return Live(flow_id, data, revision)


def base(data: bytes, path: str = "flows/a.yaml", **more: Any) -> Base:
    """The last applied state."""
    return Base(path, sha256(data), frozenset({sha256(data)}), **more)


def change(
    action: Action,
    reason: Reason,
    name: str,
    *,
    before: bytes | None = None,
    after: bytes | None = None,
    path: str | None = None,
    revision: int | None = None,
    namespace: str = "acme",
    **more: Any,
) -> Change:
    """A change; by default, ``after`` is also the flow in Git."""
    flow_id = FlowId(namespace, name)
    if path is None:
        path = f"flows/{name}.yaml"
    if "desired" not in more and after is not None:
        more["desired"] = desired(after, flow_id, path)
    return Change(
        action, reason, flow_id, path, before=before, after=after, revision=revision, **more
    )


def plan(changes: Iterable[Change] = (), **more: Any) -> Plan:
    """A plan of ``changes``."""
    given: dict[str, Any] = {
        "target": Target("http://localhost:8080", "main"),
        "server_version": "1.3.25",
        "source": "flows/",
        "scope": Scope(("acme",)),
        "flows": 214,
        "changes": tuple(sorted(changes, key=lambda each: each.flow_id)),
        "unchanged": 210,
        **more,
    }
    return Plan(**given)
