"""The declaration of a policy rule. Each rule has its own module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kestra_sync.configured import Policy
from kestra_sync.findings import Finding
from kestra_sync.model import FlowId, Scope, Severity

V = TypeVar("V")


@dataclass(frozen=True)
class RuleContext:
    """One flow, and what it is checked against.

    :param value: the flow, as Kestra would read it.
    :param path: its file, below the source if it is below one.
    :param scope: the namespaces that the repository manages.
    """

    flow_id: FlowId
    value: Mapping[str, Any]
    path: str
    scope: Scope | None = None


def _no_problem(_value: Any) -> tuple[str, str | None] | None:
    return None


@dataclass(frozen=True)
class PolicyRule(Generic[V]):
    """A rule of the policy. It is checked if its option is configured.

    :param id: as in ``error[id]``; ``policy-…``.
    :param description: one line, without a full stop.
    :param option: its key below ``policy:``.
    :param schema: the JSON Schema of the option. ``.ci/docs.py --write`` copies it into the schema
        of the configuration, which editors read.
    :param check: returns the findings for a flow, given the converted value of the option.
    :param convert: converts the value in the configuration, which is valid by the schema.
    :param problem: returns message and remedy for a value that is invalid in a way that the schema
        cannot express, or ``None``.
    """

    id: str
    description: str
    option: str
    schema: Mapping[str, Any]
    check: Callable[[RuleContext, V], Iterator[Finding]]
    convert: Callable[[Any], V]
    problem: Callable[[Any], tuple[str, str | None] | None] = _no_problem
    severity: Severity = Severity.ERROR

    def enabled(self, policy: Policy) -> bool:
        """Return whether the option is configured; false and empty lists disable the rule."""
        return bool(policy.options.get(self.option))

    def findings(self, context: RuleContext, policy: Policy) -> Iterator[Finding]:
        """Return the findings for a flow. The policy must have the option."""
        return self.check(context, self.convert(policy.options[self.option]))


def unique(values: list[str]) -> tuple[str, ...]:
    """Return the values without duplicates, in order."""
    return tuple(dict.fromkeys(values))


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
