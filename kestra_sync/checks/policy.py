"""The policy: a repository's own rules for its flows.

Silent where the configuration asks for nothing. Each rule has a case file that breaks it and one
that keeps it, below ``tests/cases/policy``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from kestra_sync.checks.policy_rules import POLICY_RULES
from kestra_sync.checks.policy_rules.base import RuleContext
from kestra_sync.checks.rules import in_flow
from kestra_sync.configured import Policy
from kestra_sync.model import Desired, Diagnostic, Scope, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source
from kestra_sync.repo.walk import IgnoreRules

#: The rules by their names.
CHECKS = {each.id: each for each in POLICY_RULES}


def active_rules(policy: Policy) -> frozenset[str]:
    """The rules that the policy requires and has not disabled."""
    return frozenset(
        name
        for name, rule in CHECKS.items()
        if rule.asked(policy) and policy.severity.get(name, Severity.ERROR) is not None
    )


def check_policy(
    desired: Sequence[Desired],
    policy: Policy,
    *,
    source: Sequence[str] = (),
    scope: Scope | None = None,
    base: str | None = None,
) -> tuple[Diagnostic, ...]:
    """Hold every flow against the policy; flows that cannot be parsed are left to other checks.

    :param source: the paths that the files are below, for ``policy-path``.
    :param base: the directory that ``policy.ignore`` is relative to.
    """
    rules = active_rules(policy)
    if not rules:
        return ()
    spared = ignored_paths([each.path for each in desired], policy, base)
    found: list[Diagnostic] = []
    for each in desired:
        parsed = parse_source(each.sent, each.sent_sha256)
        if each.path in spared or not isinstance(parsed, ParsedDocument):
            continue
        if not isinstance(parsed.value, dict):
            continue
        given = RuleContext(each.flow.flow_id, parsed.value, below(each.path, source), scope)
        for rule in sorted(rules):
            weight = policy.severity.get(rule)
            said = CHECKS[rule].findings(given, policy)
            found.extend(in_flow(each, one, parsed, weight) for one in said)
    return tuple(found)


def below(file: str, source: Sequence[str]) -> str:
    """The path of a file below the innermost source that holds it; else the path itself."""
    inside = [
        relative
        for root in source
        if not (relative := os.path.relpath(file, root).replace(os.sep, "/")).startswith("../")
    ]
    shortest = min(inside, key=len, default=file)
    return Path(file).name if shortest == "." else shortest


def ignored_paths(
    paths: Collection[str], policy: Policy, base: str | None = None
) -> frozenset[str]:
    """Those of ``paths`` that the policy leaves alone."""
    if not policy.ignore:
        return frozenset()
    root = Path(base or ".").resolve()
    rules = IgnoreRules.of(policy.ignore, root)
    return frozenset(path for path in paths if _ignored(rules, root, Path(path).resolve()))


def _ignored(rules: IgnoreRules, root: Path, file: Path) -> bool:
    """As in Git, whatever is below an ignored folder is ignored."""
    if not file.is_relative_to(root):
        return False
    parents = [parent for parent in file.parents if parent != root and parent.is_relative_to(root)]
    return rules.ignored(file, directory=False) or any(
        rules.ignored(parent, directory=True) for parent in parents
    )
