"""``policy-namespace``, ``policy-id-pattern`` and ``policy-description``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from kestra_sync.checks.policy_rules.context import RuleContext
from kestra_sync.findings import Finding
from kestra_sync.model import Scope

if TYPE_CHECKING:
    from kestra_sync.safe.patterns import Pattern


def namespace(given: RuleContext) -> Iterator[Finding]:
    """The namespace is one of those allowed, or below one."""
    allowed = given.policy.allowed_namespaces
    if not Scope(allowed).covers(given.flow_id.namespace):
        yield Finding(
            "policy-namespace",
            ("namespace",),
            f"the namespace `{given.flow_id.namespace}` is not allowed",
            f"allowed, including their children: {', '.join(allowed)}",
        )


@cache
def _compiled(pattern: str) -> Pattern:
    from kestra_sync.safe.patterns import Pattern  # few have such a policy

    return Pattern(pattern)


def id_pattern(given: RuleContext) -> Iterator[Finding]:
    """The whole id matches the pattern."""
    pattern = given.policy.id_pattern
    assert pattern is not None
    if _compiled(pattern).fullmatch(given.flow_id.id) is None:
        yield Finding(
            "policy-id-pattern",
            ("id",),
            f"the id `{given.flow_id.id}` does not match `{pattern}`",
            "rename the flow; its executions keep the old name",
        )


def description(given: RuleContext) -> Iterator[Finding]:
    """There is a description, with something in it."""
    text = given.value.get("description")
    if not (isinstance(text, str) and text.strip()):
        key = "description" if "description" in given.value else "id"
        yield Finding(
            "policy-description",
            (key,),
            "the flow has no description",
            "add a `description:`",
            at_key=True,
        )
