"""The policy: a repository's own rules for its flows.

Silent where the configuration asks for nothing. Each rule has a case file that breaks it and one
that keeps it, below ``tests/cases/policy``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from kestra_sync.checks.finding import in_flow
from kestra_sync.checks.policy_rules import POLICY_RULES
from kestra_sync.checks.policy_rules.base import RuleContext
from kestra_sync.checks.rules import FINAL, RULES
from kestra_sync.model import Desired, Diagnostic, FlowId, Scope, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_source
from kestra_sync.repo.ignore import IgnoreRules
from kestra_sync.settings import Policy

#: The rules by their names.
CHECKS = {each.id: each for each in POLICY_RULES}


#: What checks say that ask a server; ``kestra-invalid`` is its refusal, and not among them.
SERVER_RULES = frozenset(
    ("draft", "kestra-warning", "kestra-deprecated", "kestra-info", "reference-missing")
)


def adjustable_rules() -> frozenset[str]:
    """The rules that can be given another weight, or be ignored.

    All but the server's own refusal, and what keeps a flow from being compared or updated.
    """
    return (frozenset(RULES) | SERVER_RULES) - FINAL


def settled(
    diagnostics: Iterable[Diagnostic], accepted: Collection[tuple[str, FlowId]], policy: Policy
) -> list[Diagnostic]:
    """Our own verdicts after the server has spoken: of flows that it accepts, at most warnings.

    :param accepted: path and name of the flows that the server has found valid.
    """
    found = []
    for each in diagnostics:
        rule = RULES.get(each.rule)
        if (
            rule is not None
            and each.severity is Severity.ERROR
            and each.rule not in policy.severity
            and each.rule not in CHECKS
            and each.flow is not None
            and (each.path, each.flow) in accepted
        ):
            each = replace(each, severity=rule.if_accepted)
        found.append(each)
    return found


def said_once(ours: Sequence[Diagnostic], theirs: Sequence[Diagnostic]) -> list[Diagnostic]:
    """What is left of both: of two about one line of a flow, the weightier one, else ours."""
    broken = {each.flow for each in ours if each.rule.startswith("yaml-") and _stops(each)}
    left = list(theirs)
    kept = []
    for each in ours:
        same = [other for other in left if _same(each, other)]
        if any(_stops(other) for other in same) and not _stops(each):
            continue
        left = [other for other in left if other not in same]
        kept.append(each)
    # For a file that neither can read, ours is reported.
    return [*kept, *(e for e in left if not (e.rule == "kestra-invalid" and e.flow in broken))]


def _stops(diagnostic: Diagnostic) -> bool:
    return diagnostic.severity is Severity.ERROR


_KESTRAS = {
    "kestra-invalid": frozenset(RULES) - {"deprecated"},
    "kestra-deprecated": {"deprecated"},
}


def _same(ours: Diagnostic, theirs: Diagnostic) -> bool:
    """Whether both refer to the same problem, judged by their positions."""
    if ours.position is None or theirs.position is None or ours.flow != theirs.flow:
        return False
    return (
        ours.path == theirs.path
        and ours.position.line == theirs.position.line
        and ours.rule in _KESTRAS.get(theirs.rule, ())
    )


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


def weighed(diagnostics: Iterable[Diagnostic], policy: Policy) -> list[Diagnostic]:
    """The diagnostics with the weights that the policy gives to warnings; ``off`` drops one."""
    found = []
    for each in diagnostics:
        severity = policy.severity.get(each.rule, each.severity)
        if severity is not None:
            found.append(each if severity is each.severity else replace(each, severity=severity))
    return found


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
