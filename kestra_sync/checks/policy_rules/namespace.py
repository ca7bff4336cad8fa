"""``policy-namespace``: the namespaces that flows may be in."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.checks.policy_rules.base import PolicyRule, RuleContext, unique
from kestra_sync.findings import Finding
from kestra_sync.model import Scope


def _check(context: RuleContext, allowed: tuple[str, ...]) -> Iterator[Finding]:
    if not Scope(allowed).covers(context.flow_id.namespace):
        yield Finding(
            RULE.id,
            ("namespace",),
            f"the namespace `{context.flow_id.namespace}` is not allowed",
            f"allowed, including their children: {', '.join(allowed)}",
        )


RULE = PolicyRule(
    "policy-namespace",
    "The namespace is not allowed by the policy",
    "allowed_namespaces",
    {
        "description": "Namespaces, including their children, that flows may be in.",
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/namespace"},
        "x-expected": "a list of namespaces",
    },
    _check,
    unique,
)
