"""A finding in a flow, as a diagnostic of the file that the flow came from."""

from __future__ import annotations

from kestra_sync.checks.rules import RULES
from kestra_sync.findings import Finding, diagnostic
from kestra_sync.model import Desired, Diagnostic, Severity
from kestra_sync.repo.document import ParsedDocument


def in_flow(
    desired: Desired,
    finding: Finding,
    parsed: ParsedDocument | None = None,
    severity: Severity | None = None,
) -> Diagnostic:
    """``finding`` at its place in the file.

    :param parsed: the flow; not needed for findings with a place of their own.
    :param severity: the weight, if it is not that of the rule.
    """
    return diagnostic(
        finding,
        desired.path,
        None if parsed is None else lambda path, key: parsed.position_of(path, key=key),
        in_file=desired.file_position,
        severity=severity or RULES[finding.rule].severity,
        flow=desired.flow_id,
    )
