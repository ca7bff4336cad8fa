"""``policy-read-only``: the label that makes Kestra's editor read-only."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.checks.policy_rules.base import PolicyRule, RuleContext, at_labels, labels
from kestra_sync.configured import READ_ONLY_LABEL
from kestra_sync.findings import Finding
from kestra_sync.repo.document import as_text


def _check(context: RuleContext, _value: bool) -> Iterator[Finding]:
    if as_text(labels(context.value).get(READ_ONLY_LABEL)) != "true":
        yield at_labels(
            context.value,
            RULE.id,
            f'the label `{READ_ONLY_LABEL}` is not "true": Kestra\'s editor can change this flow',
            f'add `{READ_ONLY_LABEL}: "true"` below `labels:`',
        )


RULE = PolicyRule(
    "policy-read-only",
    "The flow can be edited in Kestra's editor",
    "read_only",
    {
        "description": 'Require the label `system.readOnly: "true"`, which locks a flow in '
        "Kestra's editor.",
        "default": False,
        "type": "boolean",
        "x-expected": "true or false",
    },
    _check,
    bool,
)
