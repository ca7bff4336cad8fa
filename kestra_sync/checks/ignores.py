"""``# kestra-sync: ignore[rule]`` in a flow: suppresses policy findings and warnings.

At the start of a line, or before the first key, it applies to the whole flow; after a value to that
line; on a separate indented line to the next line. An ignore without effect is itself a warning, so
that it is removed when it is no longer needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kestra_sync.checks.policy import CHECKS, active_rules, ignored_paths
from kestra_sync.checks.rules import RULES, SERVER_RULES, adjustable_rules, in_flow
from kestra_sync.configured import Policy
from kestra_sync.findings import Finding
from kestra_sync.model import Desired, Diagnostic, Position, Severity
from kestra_sync.repo.comments import comments
from kestra_sync.suggest import closest

_DIRECTIVE = re.compile(r"(?P<word>[\w-]+)[ \t]*(?:\[(?P<rules>[^\]]*)\])?")


@dataclass(frozen=True)
class _Ignore:
    """One rule named in one comment.

    :param position: the place of the comment in the document.
    :param line: the line of the file that it applies to; ``None`` for the whole flow.
    """

    rule: str
    position: Position
    line: int | None

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Return whether it suppresses ``diagnostic``, which must be about the same flow."""
        if diagnostic.rule != self.rule or not _can_be_ignored(diagnostic):
            return False
        at = diagnostic.position.line if diagnostic.position is not None else None
        return self.line is None or self.line == at


def apply_ignores(
    desired: Sequence[Desired],
    diagnostics: Sequence[Diagnostic],
    policy: Policy | None = None,
    *,
    base: str | None = None,
) -> tuple[Diagnostic, ...]:
    """Return the remaining ``diagnostics``, and a warning for each ignore without effect.

    :param diagnostics: all findings of the offline checks and the policy for ``desired``.
    :param base: the directory that ``policy.ignore`` is relative to.
    """
    policy = policy or Policy()
    left = list(diagnostics)
    for each in desired:
        ignores, problems = _ignores(each)
        if not ignores and not problems:
            continue
        used = {one for one in ignores for d in left if _of(d, each) and one.covers(d)}
        left = [d for d in left if not (_of(d, each) and any(one.covers(d) for one in used))]
        idle = _idle_rules(each, policy, base)
        left.extend(problems)
        left.extend(
            _warning(each, one.position, f"nothing to ignore: no {one.rule} here")
            for one in ignores
            if one not in used and one.rule not in idle
        )
    return tuple(left)


def drop_ignored(
    desired: Sequence[Desired], diagnostics: Sequence[Diagnostic]
) -> tuple[Diagnostic, ...]:
    """Return the remaining ``diagnostics`` of any check; for checks that run after the others."""
    left = list(diagnostics)
    for each in desired:
        ignores = _ignores(each)[0] if left else []
        if not ignores:
            continue
        left = [d for d in left if not (_of(d, each) and any(one.covers(d) for one in ignores))]
    return tuple(left)


def _ignores(desired: Desired) -> tuple[list[_Ignore], list[Diagnostic]]:
    """Return the rules that the flow ignores, and errors in its ignore comments."""
    ignores: list[_Ignore] = []
    problems: list[Diagnostic] = []
    for comment in comments(desired.sent):
        place = comment.position
        directive = _DIRECTIVE.match(comment.text)
        if directive is None:
            continue
        if directive["word"] != "ignore":
            # Prose may follow the colon, and there are other directives without brackets.
            if directive["rules"] is not None:
                message = f"unknown directive '{directive['word']}[…]': only ignore[…] is supported"
                problems.append(_warning(desired, place, message))
            continue
        rules = [each.strip() for each in (directive["rules"] or "").split(",") if each.strip()]
        if not rules:
            message = "the comment names no rule: write ignore[rule]"
            problems.append(_warning(desired, place, message))
        line = None
        if comment.line is not None:
            line = desired.file_position(Position(comment.line, 1)).line
        for rule in dict.fromkeys(rules):
            message = _not_ignorable(rule)
            if message:
                problems.append(_warning(desired, place, message))
            else:
                ignores.append(_Ignore(rule, place, line))
    return ignores, problems


def _ignorable() -> frozenset[str]:
    return adjustable_rules() - {"unused-ignore"}


def _can_be_ignored(diagnostic: Diagnostic) -> bool:
    if diagnostic.rule in SERVER_RULES:
        return diagnostic.severity is not Severity.ERROR
    return diagnostic.rule in _ignorable()


def _not_ignorable(rule: str) -> str:
    if rule in _ignorable():
        return ""
    if rule in RULES or rule == "kestra-invalid":
        return f"{rule} cannot be ignored"
    suggestion = closest(rule, sorted(_ignorable()))
    return f"unknown rule {rule}" + (f", did you mean {suggestion}?" if suggestion else "")


def _idle_rules(desired: Desired, policy: Policy, base: str | None) -> frozenset[str]:
    """Return the rules that were not checked for this flow, so an ignore may still be needed."""
    idle = {rule for rule, weight in policy.severity.items() if weight is None}
    if ignored_paths([desired.path], policy, base):
        return frozenset({*idle, *CHECKS, *SERVER_RULES})
    return frozenset({*idle, *SERVER_RULES, *(CHECKS.keys() - active_rules(policy))})


def _of(diagnostic: Diagnostic, desired: Desired) -> bool:
    """Return whether it is about this document: a file may contain the same flow twice."""
    if diagnostic.path != desired.path or diagnostic.flow != desired.flow_id:
        return False
    if diagnostic.position is None:
        return True
    first = desired.flow.document.first_line
    return 0 <= diagnostic.position.line - first <= desired.flow.document.data.count(b"\n")


def _warning(desired: Desired, position: Position, message: str) -> Diagnostic:
    remedy = "correct or remove the comment"
    return in_flow(desired, Finding("unused-ignore", position, message, remedy))
