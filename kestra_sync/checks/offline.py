"""All that can be said about a flow without a server.

Never stricter than Kestra about the structure: an error here is one that Kestra 1.3 refuses the
flow for, or a file that cannot be what its author means (a key that is there twice).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kestra_sync.checks.advice import check_advice
from kestra_sync.checks.finding import Finding
from kestra_sync.checks.ids import check_ids
from kestra_sync.checks.inputs import check_inputs
from kestra_sync.checks.releases import check_release, is_new
from kestra_sync.checks.rules import RULES, VERSIONED
from kestra_sync.checks.schema import check_schema
from kestra_sync.checks.traps import check_traps
from kestra_sync.model import Desired, Diagnostic, Position, Severity
from kestra_sync.repo.document import ParsedDocument, Path
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
        return tuple(
            _diagnostic(desired, found.rule, found.position, found.message, found.remedy)
            for found in parsed
        )

    def line_of(path: Path) -> int:
        return desired.file_position(parsed.position_of(path)).line

    found = [
        _diagnostic(
            desired,
            finding.rule,
            parsed.position_of(finding.path, key=finding.at_key),
            finding.message,
            finding.remedy,
        )
        for finding in (
            *_findings(parsed.value, line_of, release),
            *check_traps(parsed, desired.sent),
        )
    ]
    found.extend(
        _diagnostic(desired, each.rule, each.position, each.message, each.remedy)
        for each in parsed.duplicates
    )
    found.extend(
        _diagnostic(
            desired,
            "yaml-alias",
            position,
            f"Kestra does not resolve `*{quoted(name)}`: it reads the text `{quoted(name)}`",
            "repeat the value, or use an expression such as `{{ vars.name }}`",
        )
        for position, name in parsed.aliases
    )
    if release is not None:
        found = [
            replace(each, severity=Severity.ERROR) if each.rule in VERSIONED else each
            for each in found
        ]
    return tuple(sorted(found, key=lambda diagnostic: diagnostic.sort_key))


def _findings(value: Any, line_of: Any, release: tuple[int, int] | None) -> Iterator[Finding]:
    removed = list(check_release(value, release)) if release is not None else []
    told = {finding.path for finding in removed}
    yield from removed
    for finding in check_schema(value):
        if finding.path not in told and not is_new(finding.path, release):
            yield finding
    if isinstance(value, dict):
        yield from check_ids(value, line_of)
        yield from check_inputs(value)
        for finding in check_advice(value):
            if finding.path not in told:
                yield finding


def _diagnostic(
    desired: Desired, rule: str, position: Position | None, message: str, remedy: str | None
) -> Diagnostic:
    return Diagnostic(
        desired.path,
        None if position is None else desired.file_position(position),
        RULES[rule].severity,
        rule,
        message,
        remedy,
        desired.flow_id,
    )
