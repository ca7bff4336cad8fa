"""Converts Kestra's validation of flows to diagnostics with positions in their files.

Also checks whether a rollback could write the current flows again, and warns about drafts. The
latest revision of a draft (since Kestra 2.0) has ``draft: true``, and does not run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from kestra_sync.checks.locate import locate
from kestra_sync.checks.rules import in_flow
from kestra_sync.findings import Finding
from kestra_sync.model import Change, Desired, Diagnostic, Kind, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source
from kestra_sync.resources import is_in_memory
from kestra_sync.suggest import did_you_mean


class ValidationAnswer(Protocol):
    """The result for one source; see :class:`kestra_sync.client.flows.Validation`."""

    @property
    def constraints(self) -> tuple[str, ...]: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def deprecations(self) -> tuple[str, ...]: ...

    @property
    def infos(self) -> tuple[str, ...]: ...


class ValidationClient(Protocol):
    """The call of the client that validates flows."""

    def validate(self, sources: Sequence[bytes]) -> Sequence[ValidationAnswer]: ...


def check_on_server(
    desired: Sequence[Desired], answers: Sequence[ValidationAnswer]
) -> tuple[Diagnostic, ...]:
    """Convert the server's results for ``desired`` to diagnostics.

    :param answers: one per flow, in the same order.
    """
    found: list[Diagnostic] = []
    for each, verdict in zip(desired, answers, strict=True):
        for severity, rule, messages in (
            (Severity.ERROR, "kestra-invalid", verdict.constraints),
            (Severity.WARNING, "kestra-warning", verdict.warnings),
            (Severity.WARNING, "kestra-deprecated", verdict.deprecations),
            (Severity.INFO, "kestra-info", verdict.infos),
        ):
            found.extend(
                _diagnostic(each, severity, rule, message)
                for message in messages
                # Our own check of references is more complete, and includes the flows to deploy.
                if not _MISSING_SUBFLOW.match(message)
            )
        draft = None if verdict.constraints else check_draft(each)
        if draft is not None:
            found.append(draft)
    return tuple(found)


def plain_message(message: str) -> str:
    """Return the server's message on one line, without noise."""
    return _reworded(message)[0]


def _diagnostic(desired: Desired, severity: Severity, rule: str, message: str) -> Diagnostic:
    parsed = parse_source(desired.sent, desired.sent_sha256)
    document = parsed if isinstance(parsed, ParsedDocument) else None
    place = locate(message, document, desired.sent)
    words, remedy = _reworded(message)
    words = f"{words} is deprecated" if rule == "kestra-deprecated" else words
    return in_flow(desired, Finding(rule, place, words, remedy), severity=severity)


_MISSING_SUBFLOW = re.compile(r"The subflow '[^']*' not found in namespace")

# Parts around the actual message that are redundant with line and column.
_NOISE = re.compile(
    r"^\s*Validation error:|Illegal \w+ source:|YAML parsing error:"
    r"|\(through reference chain: [^)]*\)|\(at line -?\d+\)|at \[Source: [^\]]*\]"
)
# Kestra's message for a renamed plugin, whose old name still works.
_REPLACED = re.compile(r"^\S+ is replaced by (?P<new>\S+)$")
_KNOWN = re.compile(
    r'^(?P<words>Unrecognized field "(?P<field>[^"]+)" \(class [^)]*\)), not marked as ignorable'
    r" \(\d+ known properties: (?P<known>[^)]*)\)"
)


def _reworded(message: str) -> tuple[str, str | None]:
    """Return the server's message on one line, and a remedy if it contains one."""
    words = " ".join(_NOISE.sub(" ", message).split()) or " ".join(message.split())
    if words == "Invalid type: <null>":
        return words, "add a `type`"
    replaced = _REPLACED.match(words)
    if replaced is not None:
        return words, f"write `{replaced['new']}`"
    match = _KNOWN.match(words)
    if match is None:
        return words, None
    known = sorted(re.findall(r'"([^"]+)"', match["known"]))
    remedy = did_you_mean(match["field"], known) or f"known properties: {', '.join(known)}"
    return match["words"], remedy


RULE = "draft"


def is_draft(source: bytes) -> bool:
    """Return whether a source is a draft."""
    return _draft(source) is not None


def check_draft(desired: Desired) -> Diagnostic | None:
    """Return a warning for a draft that the server accepts: what runs does not change."""
    document = _draft(desired.sent)
    if document is None:
        return None
    return Diagnostic(
        path=desired.path,
        position=desired.file_position(document.position_of(("draft",), key=True)),
        severity=Severity.WARNING,
        rule=RULE,
        message="Kestra stores a draft, but keeps running the latest revision that is not a draft",
        remedy="remove `draft: true` to have this flow run",
        flow=desired.flow_id,
    )


def drafts_on_server(changes: Iterable[Change]) -> tuple[Diagnostic, ...]:
    """Return a warning for each flow to write that is a draft on the server.

    The plan is compared with the draft, which is all that the server returns.
    """
    return tuple(
        Diagnostic(
            path=change.path or "",
            position=None,
            severity=Severity.WARNING,
            rule=RULE,
            message=f"{change.flow_id} is a draft on the server: the revision that runs is older "
            f"than the one that is compared",
            flow=change.flow_id,
        )
        for change in split_moves(changes)
        if change.writes and is_in_memory(change.before) and is_draft(change.before)
    )


def split_moves(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield the changes, and the deletion of each move."""
    for change in changes:
        yield change
        if change.moved_from is not None:
            yield change.moved_from


def _draft(source: bytes) -> ParsedDocument | None:
    if b"draft" not in source:
        return None
    parsed = parse_source(source)
    if not isinstance(parsed, ParsedDocument) or not isinstance(parsed.value, dict):
        return None
    return parsed if parsed.value.get("draft") is True else None


def check_restorable(
    flows: ValidationClient, changes: Collection[Change]
) -> tuple[Diagnostic, ...]:
    """Return a warning for each flow to change or delete that a rollback could not restore.

    Servers may have flows that they would now reject: updates in 1.x accept unknown properties and
    old types, which 2.0 rejects, but keeps after an upgrade. Only for servers with strict updates:
    until 1.3, a rollback uses an update, which accepts anything that can be parsed.

    :raises KestraError: the server cannot be reached.
    """
    # A draft is stored even if it is invalid.
    touched = [
        (change, change.before)
        for change in split_moves(changes)
        if change.writes
        and change.flow_id.kind is Kind.FLOW
        and is_in_memory(change.before)
        and not is_draft(change.before)
    ]
    if not touched:
        return ()
    verdicts = flows.validate([before for _change, before in touched])
    return tuple(
        Diagnostic(
            path=change.path or "",
            position=None,
            severity=Severity.WARNING,
            rule="rollback-refused",
            message=f"{change.flow_id}: a rollback cannot restore the current version on the "
            f"server, because this Kestra rejects it: {plain_message(verdict.constraints[0])}",
            remedy="fix the flow so that Kestra accepts it, or apply it separately with --only "
            "and without --rollback",
            flow=change.flow_id,
        )
        for (change, _before), verdict in zip(touched, verdicts, strict=True)
        if verdict.constraints
    )
