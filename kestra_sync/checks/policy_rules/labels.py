"""``policy-required-label`` and ``policy-read-only``."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.checks.policy_rules.context import RuleContext, at_labels, labels
from kestra_sync.findings import Finding
from kestra_sync.repo.document import as_text

READ_ONLY = "system.readOnly"


def required_label(given: RuleContext) -> Iterator[Finding]:
    """Every label that the policy requires is there and has a value."""
    found = labels(given.value)
    for name in given.policy.require_labels:
        if not (as_text(found.get(name)) or "").strip():
            problem = "has no value" if name in found else "is missing"
            yield at_labels(
                given.value,
                "policy-required-label",
                f"the label `{name}` {problem}",
                f"add `{name}: …` below `labels:`",
            )


def read_only(given: RuleContext) -> Iterator[Finding]:
    """The label that makes Kestra's editor read-only is there, and on."""
    if as_text(labels(given.value).get(READ_ONLY)) != "true":
        yield at_labels(
            given.value,
            "policy-read-only",
            f'the label `{READ_ONLY}` is not "true": Kestra\'s editor can change this flow',
            f'add `{READ_ONLY}: "true"` below `labels:`',
        )
