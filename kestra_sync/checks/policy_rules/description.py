"""``policy-description``: every flow has a description."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.checks.policy_rules.base import PolicyRule, RuleContext
from kestra_sync.findings import Finding


def _check(context: RuleContext, _value: bool) -> Iterator[Finding]:
    text = context.value.get("description")
    if not (isinstance(text, str) and text.strip()):
        key = "description" if "description" in context.value else "id"
        yield Finding(
            RULE.id,
            (key,),
            "the flow has no description",
            "add a `description:`",
            at_key=True,
        )


RULE = PolicyRule(
    "policy-description",
    "The flow has no description",
    "require_description",
    {
        "description": "Every flow must have a description.",
        "default": False,
        "type": "boolean",
        "x-expected": "true or false",
    },
    _check,
    bool,
)
