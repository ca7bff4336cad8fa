"""From a document to its flow: by the scan alone while that is enough, parsed when it is not.

Parsed documents are kept by the hash of their bytes, so that checks, references and diffs of one
run parse each source once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.findings import Finding
from kestra_sync.findings import diagnostic as in_file
from kestra_sync.model import (
    Diagnostic,
    Document,
    Flow,
    FlowId,
    Position,
    Severity,
    Skipped,
    sha256,
)
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.identify import NotAFlow, missing_keys, scan, shows_a_flow
from kestra_sync.repo.parse import parse

Parsed = ParsedDocument | tuple[Finding, ...]


class ParseCache:
    """The last ``size`` parsed sources, shared by threads."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._parsed: OrderedDict[str, Parsed] = OrderedDict()

    def get(self, key: str, data: bytes) -> Parsed:
        """The parse of ``data``, whose SHA-256 is ``key``."""
        with self._lock:
            parsed = self._parsed.get(key)
            if parsed is not None:
                self._parsed.move_to_end(key)
                return parsed
        # Outside the lock: two threads may parse the same bytes, neither waits for the other.
        parsed = parse(data, tolerant=True)
        with self._lock:
            self._parsed[key] = parsed
            while len(self._parsed) > self._size:
                self._parsed.popitem(last=False)
        return parsed

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._parsed.clear()


CACHE = ParseCache()


def parse_document(document: Document) -> ParsedDocument | tuple[Diagnostic, ...]:
    """Parse a document; values know their place in the document, diagnostics that in the file."""
    parsed = CACHE.get(document.sha256, document.data)
    if isinstance(parsed, ParsedDocument):
        return parsed
    return tuple(diagnostic(document, problem) for problem in parsed)


def parse_flow(flow: Flow) -> ParsedDocument | tuple[Diagnostic, ...]:
    """Parse the document of a flow. ``flow_id`` of the result is the true name."""
    parsed = parse_document(flow.document)
    if isinstance(parsed, ParsedDocument):
        return parsed
    return tuple(_with_flow(found, flow.flow_id) for found in parsed)


def parse_source(data: bytes, digest: str | None = None) -> Parsed:
    """Parse bytes that come from no file, such as a live or a rendered source.

    :param digest: the SHA-256 of ``data``, where it is known.
    """
    return CACHE.get(digest or sha256(data), data)


def identify(document: Document) -> Flow | Skipped | tuple[Diagnostic, ...]:
    """The flow of a document, parsed only if the scan is in doubt."""
    found = scan(document.data)
    if isinstance(found, FlowId):
        return Flow(found, document)
    if isinstance(found, NotAFlow):
        return Skipped(document.path, document.first_line, found.reason)
    return confirm(document)


def confirm(flow: Flow | Document) -> Flow | Skipped | tuple[Diagnostic, ...]:
    """What a full parse says the document is, whatever the scan thought."""
    document = flow.document if isinstance(flow, Flow) else flow
    parsed = parse_document(document)
    if not isinstance(parsed, ParsedDocument):
        return parsed if shows_a_flow(document.data) else _not_for_us(document, parsed)
    value = parsed.value
    if not isinstance(value, dict):
        return Skipped(document.path, document.first_line, "not a mapping")
    missing = [key for key in ("id", "namespace", "tasks") if key not in value]
    if missing:
        return Skipped(document.path, document.first_line, missing_keys(missing))
    flow_id = parsed.flow_id
    if parsed.doubled & {"id", "namespace"}:
        # Kestra would use the last one, but a reader of the file perhaps the first.
        return tuple(diagnostic(document, problem, flow_id) for problem in parsed.duplicates)
    if flow_id is not None:
        return (
            flow if isinstance(flow, Flow) and flow.flow_id == flow_id else Flow(flow_id, document)
        )
    return tuple(
        diagnostic(
            document,
            Finding(
                f"flow-{key}",
                parsed.position_of((key,)),
                f"`{key}` must be text",
                "put quotes around it",
            ),
        )
        for key in ("id", "namespace")
        if (value[key] is None if key == "id" else not isinstance(value[key], str))
        or isinstance(value[key], (dict, list))
    )


def _not_for_us(document: Document, problems: tuple[Diagnostic, ...]) -> Skipped:
    """A template or a file for something else, which only happens to be named ``.yaml``."""
    first = problems[0]
    place = "" if first.position is None else f" (line {first.position.line}: {first.message})"
    return Skipped(
        document.path,
        document.first_line,
        f"it is not valid YAML{place or f': {first.message}'} and does not look like a flow; "
        "to silence this, list it in .kestraignore",
    )


def file_position(document: Document, position: Position) -> Position:
    """The place in the file of a place in the document."""
    return Position(position.line + document.first_line - 1, position.column)


def diagnostic(document: Document, found: Finding, flow: FlowId | None = None) -> Diagnostic:
    """What keeps a document from being understood, as an error at its place in the file."""
    return in_file(
        found, document.path, in_file=lambda place: file_position(document, place), flow=flow
    )


def duplicates(flows: Iterable[Flow]) -> list[Diagnostic]:
    """An error at each place of a flow that is there more than once, naming the others."""
    places: dict[FlowId, list[Flow]] = {}
    for flow in flows:
        places.setdefault(flow.flow_id, []).append(flow)
    return [
        _duplicate(flow, [other for other in same if other is not flow])
        for same in places.values()
        if len(same) > 1
        for flow in same
    ]


def _duplicate(here: Flow, others: list[Flow]) -> Diagnostic:
    there = " and ".join(f"{flow.path}:{flow.document.first_line}" for flow in others)
    return Diagnostic(
        here.path,
        Position(here.document.first_line, 1),
        Severity.ERROR,
        "duplicate-flow",
        f"{here.flow_id} is also defined in {there}",
        "rename or remove one of them",
        here.flow_id,
    )


def _with_flow(found: Diagnostic, flow_id: FlowId) -> Diagnostic:
    return replace(found, flow=flow_id)
