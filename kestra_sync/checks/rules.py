"""All rules of diagnostics, with severity and description, and how findings are combined.

The severities here apply offline. If the server has accepted a flow, findings of the offline
checks are only warnings (:attr:`Rule.if_accepted`); ``docs/checks.md`` has the table.

Where Kestra has a rule, the offline checks apply the same one: each was observed on Kestra 1.3, and
``tests/e2e/test_cases_agree.py`` compares them with a running server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from kestra_sync.checks.policy_rules import POLICY_RULES
from kestra_sync.configured import Policy
from kestra_sync.findings import Finding, diagnostic
from kestra_sync.model import Desired, Diagnostic, FlowId, Severity
from kestra_sync.repo.document import ParsedDocument


@dataclass(frozen=True)
class Rule:
    """A check with a stable name.

    :param id: as in ``error[id]``.
    :param severity: its severity if no server has validated the flow.
    :param description: one line, without a full stop.
    """

    id: str
    severity: Severity
    description: str

    @property
    def if_accepted(self) -> Severity:
        """Its severity if the server has accepted the flow, which takes precedence."""
        if self.severity is Severity.ERROR and self.id not in FINAL:
            return Severity.WARNING
        return self.severity


#: Errors that stay errors even if the server accepts the flow, and whose severity is fixed: a flow
#: with these could not be compared with the server, or never be updated again.
FINAL = frozenset(
    (
        "file-unreadable",
        "file-too-large",
        "symlink-outside",
        "duplicate-flow",
        "not-a-flow",
        "yaml-encoding",
        "flow-id-reading",
        "flow-deleted",
    )
)


def _rules(severity: Severity, **descriptions: str) -> dict[str, Rule]:
    names = {name.replace("_", "-"): text for name, text in descriptions.items()}
    return {name: Rule(name, severity, text) for name, text in names.items()}


# Files and YAML, raised while loading and parsing
_FILES = _rules(
    Severity.ERROR,
    file_unreadable="The file or directory cannot be read",
    file_too_large="The file is larger than the 10 MiB that Kestra accepts",
    symlink_outside="A symbolic link leaves the source directory",
    duplicate_flow="The same flow is defined twice",
    not_a_flow="A file does not contain a flow (only with `--strict`)",
    yaml_syntax="The file is not valid YAML, or Kestra cannot read it",
    yaml_encoding="The file is not UTF-8, or contains control characters",
    yaml_duplicate_key="Duplicate key in a mapping; Kestra would use the last one",
    yaml_unquoted_expression="Unquoted expression `{{ … }}`",
    yaml_depth="The YAML is nested more than 100 levels deep",
)

_STRUCTURE = _rules(
    Severity.ERROR,
    flow_id="The id of the flow is missing or breaks Kestra's rules",
    flow_id_reading="Kestra reads the unquoted id as a different value",
    flow_deleted="The flow has `deleted: true`, and Kestra would treat it as deleted",
    flow_namespace="The namespace of the flow is missing or breaks Kestra's rules",
    flow_tasks="The flow has no tasks",
    flow_label="A label's key or value breaks Kestra's rules",
    flow_duration="A duration is not an ISO 8601 duration",
    flow_missing_property="A property that Kestra requires is missing",
    flow_schema="A value that Kestra does not accept here",
    task_id="The id of a task breaks Kestra's rules",
    trigger_id="The id of a trigger breaks Kestra's rules",
    input_id="The id of an input or output breaks Kestra's rules",
    input_defaults="An input with a default is optional or has a prefill as well",
    input_depends_on="An input depends on an unknown input, or on itself",
    plugin_type="The type of a task or trigger is not a fully qualified plugin name",
    kestra_removed="Not supported by the Kestra version given with `--kestra`",
    duplicate_task_id="Two tasks of the flow, at any depth, have the same id",
    duplicate_trigger_id="Two triggers of the flow have the same id",
    duplicate_input_id="Two inputs of the flow have the same id",
    duplicate_output_id="Two outputs of the flow have the same id",
)

_WARNINGS = _rules(
    Severity.WARNING,
    yaml_alias="Kestra does not resolve YAML aliases: it reads the name as text",
    not_a_task="Kestra ignores items in a list of tasks or triggers that are not mappings",
    flow_unknown_property="A property that is not known to exist in Kestra",
    flow_unknown_value="A type or value that is not known to exist in Kestra",
    deprecated="A deprecated property or type",
    server_property="A property that is set by the server",
    reference_cycle="Flows call each other, or themselves, recursively",
    unused_ignore="A comment `# kestra-sync: ignore[…]` that has no effect",
)

# Only if configured, with the configured severity
_POLICY = {each.id: Rule(each.id, each.severity, each.description) for each in POLICY_RULES}

#: Errors if the version of Kestra is known, which would reject the flow.
VERSIONED = frozenset(("flow-unknown-property", "flow-unknown-value"))

RULES: dict[str, Rule] = {**_FILES, **_STRUCTURE, **_WARNINGS, **_POLICY}

#: Rules of checks that use a server, except ``kestra-invalid``, which means that it rejects a flow.
SERVER_RULES = frozenset(
    ("draft", "kestra-warning", "kestra-deprecated", "kestra-info", "reference-missing")
)


def adjustable_rules() -> frozenset[str]:
    """Return the rules whose severity can be configured, or that can be ignored.

    All except rejections by the server, and errors that prevent comparing or updating a flow.
    """
    return (frozenset(RULES) | SERVER_RULES) - FINAL


def after_server(
    diagnostics: Iterable[Diagnostic], accepted: Collection[tuple[str, FlowId]], policy: Policy
) -> list[Diagnostic]:
    """Reduce errors of the offline checks to warnings for flows that the server accepts.

    :param accepted: path and name of the flows that the server considers valid.
    """
    found = []
    for each in diagnostics:
        rule = RULES.get(each.rule)
        if (
            rule is not None
            and each.severity is Severity.ERROR
            and each.rule not in policy.severity
            and each.rule not in _POLICY
            and each.flow is not None
            and (each.path, each.flow) in accepted
        ):
            each = replace(each, severity=rule.if_accepted)
        found.append(each)
    return found


def deduplicated(offline: Sequence[Diagnostic], server: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Merge the findings: of two for one line of a flow, keep the more severe, or the offline one.

    :param offline: the findings of the offline checks.
    :param server: the findings of the server.
    """
    broken = {each.flow for each in offline if each.rule.startswith("yaml-") and _is_error(each)}
    left = list(server)
    kept = []
    for each in offline:
        same = [other for other in left if _same(each, other)]
        if any(_is_error(other) for other in same) and not _is_error(each):
            continue
        left = [other for other in left if other not in same]
        kept.append(each)
    # For a file that neither can parse, the offline finding is kept.
    return [*kept, *(e for e in left if not (e.rule == "kestra-invalid" and e.flow in broken))]


def _is_error(diagnostic: Diagnostic) -> bool:
    return diagnostic.severity is Severity.ERROR


_SAME_RULES = {
    "kestra-invalid": frozenset(RULES) - {"deprecated"},
    "kestra-deprecated": {"deprecated"},
}


def _same(offline: Diagnostic, server: Diagnostic) -> bool:
    """Return whether both refer to the same problem, judging by their positions."""
    if offline.position is None or server.position is None or offline.flow != server.flow:
        return False
    return (
        offline.path == server.path
        and offline.position.line == server.position.line
        and offline.rule in _SAME_RULES.get(server.rule, ())
    )


def with_policy_severity(diagnostics: Iterable[Diagnostic], policy: Policy) -> list[Diagnostic]:
    """Apply the severities that the policy configures for warnings; ``off`` drops a warning."""
    found = []
    for each in diagnostics:
        severity = policy.severity.get(each.rule, each.severity)
        if severity is not None:
            found.append(each if severity is each.severity else replace(each, severity=severity))
    return found


def in_flow(
    desired: Desired,
    finding: Finding,
    parsed: ParsedDocument | None = None,
    severity: Severity | None = None,
) -> Diagnostic:
    """Return the diagnostic of ``finding`` at its position in the file.

    :param parsed: the flow; not needed for findings that have a position.
    :param severity: the severity, if it differs from that of the rule.
    """
    return diagnostic(
        finding,
        desired.path,
        None if parsed is None else lambda path, key: parsed.position_of(path, key=key),
        in_file=desired.file_position,
        severity=severity or RULES[finding.rule].severity,
        flow=desired.flow_id,
    )
