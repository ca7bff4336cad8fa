"""``policy-id-pattern``: a regular expression that the whole id matches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from kestra_sync.checks.policy_rules.base import PolicyRule, RuleContext
from kestra_sync.findings import Finding

if TYPE_CHECKING:
    from kestra_sync.safe.patterns import Pattern


@cache
def _compiled(pattern: str) -> Pattern:
    from kestra_sync.safe.patterns import Pattern  # few have such a policy

    return Pattern(pattern)


def _check(context: RuleContext, pattern: str) -> Iterator[Finding]:
    if _compiled(pattern).fullmatch(context.flow_id.id) is None:
        yield Finding(
            RULE.id,
            ("id",),
            f"the id `{context.flow_id.id}` does not match `{pattern}`",
            "rename the flow; its executions keep the old name",
        )


def _problem(pattern: str) -> tuple[str, str | None] | None:
    from kestra_sync.safe.patterns import Pattern, PatternError

    try:
        Pattern(pattern)
    except PatternError as error:
        return f"`{pattern}` is not a regular expression: {error}", None
    return None


RULE = PolicyRule(
    "policy-id-pattern",
    "The id does not match the policy's pattern",
    "id_pattern",
    {
        "description": "Regular expression (Python syntax) that the complete id of every flow must "
        "match.",
        "type": "string",
        "minLength": 1,
        "x-expected": "a regular expression",
    },
    _check,
    str,
    _problem,
)
