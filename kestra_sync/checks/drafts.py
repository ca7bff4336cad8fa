"""Drafts, since Kestra 2.0: the latest revision has ``draft: true`` and does not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kestra_sync.content import is_in_memory
from kestra_sync.model import Change, Desired, Diagnostic, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source

RULE = "draft"


def is_draft(source: bytes) -> bool:
    """Whether a source says that it is a draft."""
    return _draft(source) is not None


def check_draft(desired: Desired) -> Diagnostic | None:
    """A warning for a draft that the server takes: deploying it changes nothing that runs."""
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
    """A warning for each flow about to be written of which the server shows a draft.

    What the plan compares with is the draft, as the server shows nothing else.
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
        for change in halves(changes)
        if change.writes and is_in_memory(change.before) and is_draft(change.before)
    )


def halves(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes, and of each move the deletion beside it."""
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
