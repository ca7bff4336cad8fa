"""``policy-required-label``: labels that every flow has."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.checks.policy_rules.base import (
    PolicyRule,
    RuleContext,
    at_labels,
    labels,
    unique,
)
from kestra_sync.findings import Finding
from kestra_sync.repo.document import as_text


def _check(context: RuleContext, required: tuple[str, ...]) -> Iterator[Finding]:
    found = labels(context.value)
    for name in required:
        if not (as_text(found.get(name)) or "").strip():
            problem = "has no value" if name in found else "is missing"
            yield at_labels(
                context.value,
                RULE.id,
                f"the label `{name}` {problem}",
                f"add `{name}: …` below `labels:`",
            )


RULE = PolicyRule(
    "policy-required-label",
    "A label that the policy requires is missing or empty",
    "require_labels",
    {
        "description": "Labels that every flow must have.",
        "type": "array",
        "items": {"type": "string", "minLength": 1, "x-expected": "the name of a label"},
        "x-expected": "a list of the names of labels",
    },
    _check,
    unique,
)
