"""Kestra's own validation of flows, with lines and columns of their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from kestra_sync.checks.drafts import check_draft
from kestra_sync.checks.finding import in_flow
from kestra_sync.checks.locate import locate
from kestra_sync.findings import Finding
from kestra_sync.model import Desired, Diagnostic, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source
from kestra_sync.suggest import did_you_mean


class ValidationAnswer(Protocol):
    """What the server answers for one source; see :class:`kestra_sync.client.flows.Validation`."""

    @property
    def constraints(self) -> tuple[str, ...]: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def deprecations(self) -> tuple[str, ...]: ...

    @property
    def infos(self) -> tuple[str, ...]: ...


class ValidationClient(Protocol):
    """The one call of the client that this check needs."""

    def validate(self, sources: Sequence[bytes]) -> Sequence[ValidationAnswer]: ...


def check_on_server(flows: ValidationClient, desired: Sequence[Desired]) -> tuple[Diagnostic, ...]:
    """Ask the server about all of ``desired``.

    :raises KestraError: if the server cannot be asked.
    """
    found: list[Diagnostic] = []
    for each, verdict in zip(desired, flows.validate([d.sent for d in desired]), strict=True):
        for severity, rule, messages in (
            (Severity.ERROR, "kestra-invalid", verdict.constraints),
            (Severity.WARNING, "kestra-warning", verdict.warnings),
            (Severity.WARNING, "kestra-deprecated", verdict.deprecations),
            (Severity.INFO, "kestra-info", verdict.infos),
        ):
            found.extend(
                _diagnostic(each, severity, rule, message)
                for message in messages
                # Our own check of references sees more, and knows what is about to be deployed.
                if not _MISSING_SUBFLOW.match(message)
            )
        draft = None if verdict.constraints else check_draft(each)
        if draft is not None:
            found.append(draft)
    return tuple(found)


def words_of(message: str) -> str:
    """What the server says, in one line without what stands around it."""
    return _reworded(message)[0]


def _diagnostic(desired: Desired, severity: Severity, rule: str, message: str) -> Diagnostic:
    parsed = parse_source(desired.sent, desired.sent_sha256)
    document = parsed if isinstance(parsed, ParsedDocument) else None
    place = locate(message, document, desired.sent)
    words, remedy = _reworded(message)
    words = f"{words} is deprecated" if rule == "kestra-deprecated" else words
    return in_flow(desired, Finding(rule, place, words, remedy), severity=severity)


_MISSING_SUBFLOW = re.compile(r"The subflow '[^']*' not found in namespace")

# What stands around the message proper, and says nothing once there are line and column.
_NOISE = re.compile(
    r"^\s*Validation error:|Illegal \w+ source:|YAML parsing error:"
    r"|\(through reference chain: [^)]*\)|\(at line -?\d+\)|at \[Source: [^\]]*\]"
)
# What Kestra says of a plugin that has moved; it takes the old name as well.
_REPLACED = re.compile(r"^\S+ is replaced by (?P<new>\S+)$")
_KNOWN = re.compile(
    r'^(?P<words>Unrecognized field "(?P<field>[^"]+)" \(class [^)]*\)), not marked as ignorable'
    r" \(\d+ known properties: (?P<known>[^)]*)\)"
)


def _reworded(message: str) -> tuple[str, str | None]:
    """The server's message on one line, and a remedy if it contains one."""
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
