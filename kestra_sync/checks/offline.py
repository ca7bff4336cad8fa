"""The offline checks of a flow.

Never stricter than Kestra about the structure: an error here is one that Kestra 1.3 refuses the
flow for, or a file that cannot be what its author means (a duplicate key).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kestra_sync.checks.advice import check_advice
from kestra_sync.checks.finding import in_flow
from kestra_sync.checks.ids import check_ids
from kestra_sync.checks.inputs import check_inputs
from kestra_sync.checks.releases import check_release, is_new
from kestra_sync.checks.rules import VERSIONED
from kestra_sync.checks.schema import check_schema
from kestra_sync.checks.traps import check_traps
from kestra_sync.findings import Finding, NodePath
from kestra_sync.model import Desired, Diagnostic, Position, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_source
from kestra_sync.repo.quote import quoted


def check_offline(
    desired: Desired, release: tuple[int, int] | None = None
) -> tuple[Diagnostic, ...]:
    """Check what will be sent; the diagnostics point into the file it came from.

    :param release: the Kestra, as (major, minor), that is to load the flow: a property that it does
        not have is an error then; else it may be one of a version that is not known here.
    """
    parsed = parse_source(desired.sent, desired.sent_sha256)
    if not isinstance(parsed, ParsedDocument):
        return tuple(in_flow(desired, each) for each in parsed)

    def line_of(path: NodePath) -> int:
        return desired.file_position(parsed.position_of(path)).line

    findings = [
        *_findings(parsed.value, line_of, release),
        *check_traps(parsed, desired.sent),
        *parsed.duplicates,
        *map(_alias, parsed.aliases),
    ]
    found = [in_flow(desired, each, parsed) for each in findings]
    if release is not None:
        found = [
            replace(each, severity=Severity.ERROR) if each.rule in VERSIONED else each
            for each in found
        ]
    return tuple(sorted(found, key=lambda diagnostic: diagnostic.sort_key))


def _findings(value: Any, line_of: Any, release: tuple[int, int] | None) -> Iterator[Finding]:
    removed = list(check_release(value, release)) if release is not None else []
    told = {finding.at for finding in removed}
    yield from removed
    for finding in check_schema(value):
        if finding.at not in told and not is_new(finding, release):
            yield finding
    if isinstance(value, dict):
        yield from check_ids(value, line_of)
        yield from check_inputs(value)
        for finding in check_advice(value):
            if finding.at not in told:
                yield finding


def _alias(alias: tuple[Position, str]) -> Finding:
    position, name = alias
    return Finding(
        "yaml-alias",
        position,
        f"Kestra does not resolve `*{quoted(name)}`: it reads the text `{quoted(name)}`",
        "repeat the value, or use an expression such as `{{ vars.name }}`",
    )
