"""The policy: a repository's own rules for its flows.

Reports nothing unless rules are configured. Each rule has a case file that violates it and one that
complies with it, in ``tests/cases/policy``.
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
    """Return the rules that the policy requires and has not disabled."""
    return frozenset(
        name
        for name, rule in CHECKS.items()
        if rule.enabled(policy) and policy.severity.get(name, Severity.ERROR) is not None
    )


def check_policy(
    desired: Sequence[Desired],
    policy: Policy,
    *,
    source: Sequence[str] = (),
    scope: Scope | None = None,
    base: str | None = None,
) -> tuple[Diagnostic, ...]:
    """Check every flow against the policy; other checks report flows that cannot be parsed.

    :param source: the root paths of the files, for ``policy-path``.
    :param base: the directory that ``policy.ignore`` is relative to.
    """
    rules = active_rules(policy)
    if not rules:
        return ()
    ignored = ignored_paths([each.path for each in desired], policy, base)
    found: list[Diagnostic] = []
    for each in desired:
        parsed = parse_source(each.sent, each.sent_sha256)
        if each.path in ignored or not isinstance(parsed, ParsedDocument):
            continue
        if not isinstance(parsed.value, dict):
            continue
        context = RuleContext(each.flow.flow_id, parsed.value, below(each.path, source), scope)
        for rule in sorted(rules):
            weight = policy.severity.get(rule)
            findings = CHECKS[rule].findings(context, policy)
            found.extend(in_flow(each, one, parsed, weight) for one in findings)
    return tuple(found)


def below(file: str, source: Sequence[str]) -> str:
    """Return the path of a file relative to its innermost source; otherwise the path itself."""
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
    """Return the ``paths`` that the policy ignores."""
    if not policy.ignore:
        return frozenset()
    root = Path(base or ".").resolve()
    rules = IgnoreRules.of(policy.ignore, root)
    return frozenset(path for path in paths if _ignored(rules, root, Path(path).resolve()))


def _ignored(rules: IgnoreRules, root: Path, file: Path) -> bool:
    """Return whether a file or a parent folder is ignored, as in Git."""
    if not file.is_relative_to(root):
        return False
    parents = [parent for parent in file.parents if parent != root and parent.is_relative_to(root)]
    return rules.ignored(file, directory=False) or any(
        rules.ignored(parent, directory=True) for parent in parents
    )
