"""The input of a policy rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kestra_sync.findings import Finding
from kestra_sync.model import FlowId, Scope
from kestra_sync.settings import Policy


@dataclass(frozen=True)
class RuleContext:
    """One flow, and what it is held against.

    :param value: the flow, as Kestra would read it.
    :param path: its file, below the source if it is below one.
    :param scope: the namespaces that the repository manages.
    """

    flow_id: FlowId
    value: Mapping[str, Any]
    path: str
    policy: Policy
    scope: Scope | None = None


class Check(Protocol):
    """A rule: silent if the flow is as it should be. Run only if the policy asks for it."""

    def __call__(self, given: RuleContext) -> Iterator[Finding]:
        """What is wrong with the flow."""
        ...


def labels(value: Mapping[str, Any]) -> dict[str, Any]:
    """The labels of a flow, whether they are a mapping or a list of keys and values."""
    found = value.get("labels")
    if isinstance(found, dict):
        return found
    if isinstance(found, list):
        pairs = [each for each in found if isinstance(each, dict)]
        return {str(each.get("key")): each.get("value") for each in pairs}
    return {}


def at_labels(value: Mapping[str, Any], rule: str, message: str, remedy: str) -> Finding:
    """A finding at the key ``labels``, or at the id of a flow that has none."""
    key = "labels" if "labels" in value else "id"
    return Finding(rule, (key,), message, remedy, at_key=True)
