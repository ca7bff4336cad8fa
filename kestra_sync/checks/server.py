"""What Kestra itself says of flows, placed at line and column of their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from kestra_sync.model import Desired, Diagnostic, Position, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import parse_flow


class Verdict(Protocol):
    """What the server answers for one source; see :class:`kestra_sync.kestra.flows.Validation`."""

    @property
    def constraints(self) -> tuple[str, ...]: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def deprecations(self) -> tuple[str, ...]: ...


class Validates(Protocol):
    """The one call of the client that this check needs."""

    def validate(self, sources: Sequence[bytes]) -> Sequence[Verdict]: ...


def check_on_server(flows: Validates, desired: Sequence[Desired]) -> tuple[Diagnostic, ...]:
    """Ask the server about all of ``desired``.

    :raises KestraError: if the server cannot be asked.
    """
    found: list[Diagnostic] = []
    for each, verdict in zip(desired, flows.validate([d.sent for d in desired]), strict=True):
        for severity, rule, messages in (
            (Severity.ERROR, "kestra-invalid", verdict.constraints),
            (Severity.WARNING, "kestra-warning", verdict.warnings),
            (Severity.WARNING, "kestra-deprecated", verdict.deprecations),
        ):
            found.extend(
                _diagnostic(each, severity, rule, message)
                for message in messages
                # Our own check of references sees more, and knows what is about to be deployed.
                if not _MISSING_SUBFLOW.match(message)
            )
    return tuple(found)


def _diagnostic(desired: Desired, severity: Severity, rule: str, message: str) -> Diagnostic:
    parsed = parse_flow(desired.flow)
    document = parsed if isinstance(parsed, ParsedDocument) else None
    if rule == "kestra-deprecated":
        message = f"{message} is deprecated"
    return Diagnostic(
        path=desired.path,
        position=desired.file_position(locate(message, document)),
        severity=severity,
        rule=rule,
        message=" ".join(message.split()),
        flow=desired.flow_id,
    )


_MISSING_SUBFLOW = re.compile(r"The subflow '[^']*' not found in namespace")

# The server names places in three ways: "tasks[0].message: must not be null" (Bean Validation),
# "… (through reference chain: …["tasks"]->java.util.ArrayList[0]->…["x"])" (Jackson), and
# "at [Source: (String)…; line: 7, column: 3]" (the YAML parser).
_LINE_COLUMN = re.compile(r"line:? (?P<line>\d+), column:? (?P<column>\d+)")
_CHAIN = re.compile(r'\["(?P<key>[^"\]]+)"\]|\[(?P<index>\d+)\]')
_DOTTED = re.compile(r"^\s*(?P<path>[A-Za-z_$][\w$-]*(?:\[\d+\]|\.[\w$<> -]+)*)(?=\s*:|\s|$)")
_STEP = re.compile(r"(?P<key>[\w$-]+)|\[(?P<index>\d+)\]")


def locate(message: str, document: ParsedDocument | None) -> Position:
    """The place that a message of the server speaks of, as near as it can be told.

    Falls back to the first line of the document, never to nothing.
    """
    place = _LINE_COLUMN.search(message)
    if place is not None:
        return Position(max(int(place["line"]), 1), max(int(place["column"]), 1))
    if document is None:
        return Position(1, 1)
    if "reference chain:" in message:
        chain = message.split("reference chain:", 1)[1]
        steps = [
            m["key"] if m["key"] is not None else int(m["index"]) for m in _CHAIN.finditer(chain)
        ]
        return document.position_of(steps, key=isinstance(steps[-1] if steps else 0, str))
    dotted = _DOTTED.match(message)
    if dotted is not None:
        path: list[str | int] = [
            int(m["index"]) if m["index"] is not None else m["key"]
            for m in _STEP.finditer(dotted["path"])
        ]
        if isinstance(document.value, dict) and path[0] in document.value:
            return document.position_of(path, key=isinstance(path[-1], str))
    return document.position_of(())
