"""Loads a repository: walk, read, split, identify. Documents are only parsed when necessary.

Parsed documents are cached by the hash of their bytes, so that checks, references and diffs of one
run parse each source once.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from kestra_sync.errors import KestraSyncError, RefusedError, UsageError
from kestra_sync.findings import Finding
from kestra_sync.findings import diagnostic as in_file
from kestra_sync.model import (
    Diagnostic,
    Document,
    Flow,
    FlowId,
    Position,
    Repository,
    Severity,
    Skipped,
    sha256,
)
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from kestra_sync.repo.text import (
    BOM,
    FLOW_KEYS,
    MAX_BYTES,
    NotAFlow,
    missing_keys,
    scan,
    split,
    too_large,
    wide_encoding,
)
from kestra_sync.repo.walk import FoundFile, unreadable, walk
from kestra_sync.safe.paths import is_there, read_resolved
from kestra_sync.safe.text import quoted

Parsed = ParsedDocument | tuple[Finding, ...]


class ParseCache:
    """A thread-safe cache of the last ``size`` parsed sources."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._parsed: OrderedDict[str, Parsed] = OrderedDict()

    def get(self, key: str, data: bytes) -> Parsed:
        """Parse ``data``, whose SHA-256 is ``key``, or return it from the cache."""
        with self._lock:
            parsed = self._parsed.get(key)
            if parsed is not None:
                self._parsed.move_to_end(key)
                return parsed
        # Outside the lock: two threads may parse the same bytes, but do not wait for each other.
        parsed = parse(data, tolerant=True)
        with self._lock:
            self._parsed[key] = parsed
            while len(self._parsed) > self._size:
                self._parsed.popitem(last=False)
        return parsed

    def clear(self) -> None:
        """Clear the cache."""
        with self._lock:
            self._parsed.clear()


CACHE = ParseCache()


def parse_document(document: Document) -> ParsedDocument | tuple[Diagnostic, ...]:
    """Parse a document. Values have positions in the document, diagnostics in the file."""
    parsed = CACHE.get(document.sha256, document.data)
    if isinstance(parsed, ParsedDocument):
        return parsed
    return tuple(diagnostic(document, problem) for problem in parsed)


def parse_flow(flow: Flow) -> ParsedDocument | tuple[Diagnostic, ...]:
    """Parse the document of a flow. ``flow_id`` of the result is its actual name."""
    parsed = parse_document(flow.document)
    if isinstance(parsed, ParsedDocument):
        return parsed
    return tuple(_with_flow(found, flow.flow_id) for found in parsed)


def parse_source(data: bytes, digest: str | None = None) -> Parsed:
    """Parse bytes that are not from a file, such as a live or a rendered source.

    :param digest: the SHA-256 of ``data``, if known.
    """
    return CACHE.get(digest or sha256(data), data)


def identify(document: Document) -> Flow | Skipped | tuple[Diagnostic, ...]:
    """Return the flow of a document, which is only parsed if the scan is uncertain."""
    found = scan(document.data)
    if isinstance(found, FlowId):
        return Flow(found, document)
    if isinstance(found, NotAFlow):
        return Skipped(document.path, document.first_line, found.reason)
    return confirm(document)


def identify_source(data: bytes) -> FlowId | None:
    """Return the name of a flow on a server; ``None`` if unknown.

    As lenient as Kestra when it stored the source: it uses the last of two ``id`` lines, and the
    first of two documents.
    """
    found = scan(data)
    if isinstance(found, FlowId):
        return found
    parsed = parse(data, lenient=True)
    return parsed.flow_id if isinstance(parsed, ParsedDocument) else None


def confirm(flow: Flow | Document) -> Flow | Skipped | tuple[Diagnostic, ...]:
    """Return the result of a full parse of the document, regardless of the scan."""
    document = flow.document if isinstance(flow, Flow) else flow
    parsed = parse_document(document)
    if not isinstance(parsed, ParsedDocument):
        return parsed if looks_like_flow(document.data) else _unrelated(document, parsed)
    value = parsed.value
    if not isinstance(value, dict):
        return Skipped(document.path, document.first_line, "not a mapping")
    missing = [key for key in FLOW_KEYS if key not in value]
    if missing:
        return Skipped(document.path, document.first_line, missing_keys(missing))
    flow_id = parsed.flow_id
    if parsed.duplicate_root_keys & {"id", "namespace"}:
        # Kestra would use the last one, but a reader of the file may assume the first.
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


def flows_in(path: str, data: bytes) -> frozenset[FlowId] | None:
    """Return the flows of a file; ``None`` if one is unknown."""
    found = set()
    for document in split(path, data):
        flow = identify(document)
        if isinstance(flow, Flow):
            found.add(flow.flow_id)
        elif not isinstance(flow, Skipped):
            return None
    return frozenset(found)


# The first line with content, not a comment, directive or marker.
_CONTENT = re.compile(rb"\n(?P<indent>[ \t]*)(?!---(?:[ \n]|\Z))(?P<begin>[^\s#%])")
_AT_TOP = rb"""\n(?:%s)?[^\x20-\x7e\n]*["']?%s["']?[ \t]*:(?:[ \t\n]|\Z)"""
_IN_BRACES = rb"""[{,]\s*["']?%s["']?\s*:"""


def looks_like_flow(data: bytes) -> bool:
    """Return whether an unparsable document looks like a flow, with all three keys at top level.

    The top level is column 0, the column of the first line, or in braces.
    """
    wide = wide_encoding(data)
    if wide is not None:
        data = data.decode(wide, "replace").encode()
    text = b"\n" + data.replace(BOM, b"").replace(b"\r", b"\n")
    first = _CONTENT.search(text)
    if first is None:
        return False
    keys = [each.encode() for each in FLOW_KEYS]
    if first["begin"] == b"{":
        return all(re.search(_IN_BRACES % key, text) for key in keys)
    indent = first["indent"]
    return all(re.search(_AT_TOP % (re.escape(indent), key), text) for key in keys)


def _unrelated(document: Document, problems: tuple[Diagnostic, ...]) -> Skipped:
    """Skip a file that is not a flow but happens to be named ``.yaml``, such as a template."""
    first = problems[0]
    place = "" if first.position is None else f" (line {first.position.line}: {first.message})"
    return Skipped(
        document.path,
        document.first_line,
        f"it is not valid YAML{place or f': {first.message}'} and does not look like a flow; "
        "to silence this, list it in .kestraignore",
    )


def file_position(document: Document, position: Position) -> Position:
    """Convert a position in the document to one in the file."""
    return Position(position.line + document.first_line - 1, position.column)


def diagnostic(document: Document, found: Finding, flow: FlowId | None = None) -> Diagnostic:
    """Return a finding of the parser as an error at its position in the file."""
    return in_file(
        found, document.path, in_file=lambda place: file_position(document, place), flow=flow
    )


def duplicates(flows: Iterable[Flow]) -> list[Diagnostic]:
    """Return an error at each definition of a duplicate flow, with the other positions."""
    places: dict[FlowId, list[Flow]] = {}
    for flow in flows:
        places.setdefault(flow.flow_id, []).append(flow)
    return [
        _duplicate(flow, [other for other in same if other is not flow])
        for same in places.values()
        if len(same) > 1
        for flow in same
    ]


def _duplicate(flow: Flow, others: list[Flow]) -> Diagnostic:
    places = " and ".join(f"{other.path}:{other.document.first_line}" for other in others)
    return Diagnostic(
        flow.path,
        Position(flow.document.first_line, 1),
        Severity.ERROR,
        "duplicate-flow",
        f"{flow.flow_id} is also defined in {places}",
        "rename or remove one of them",
        flow.flow_id,
    )


def _with_flow(found: Diagnostic, flow_id: FlowId) -> Diagnostic:
    return replace(found, flow=flow_id)


def load(
    paths: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    strict: bool = False,
    base: Path | None = None,
    exclude: Collection[Path] = (),
    allow_missing: bool = False,
) -> Repository:
    """Load all flows in ``paths``.

    :param ignore: additional ignore patterns, relative to ``base``.
    :param strict: a document that is not a flow is an error.
    :param base: the directory of the configuration; by default the working directory.
    :param exclude: resolved paths in ``paths`` that do not contain flows.
    :param allow_missing: a path that neither exists nor is in Git counts as empty.
    :raises UsageError: a path does not exist.
    :raises RefusedError: a path is missing here, but is in Git.
    """
    existing = []
    for path in paths:
        if is_there(path):
            existing.append(path)
            continue
        problem = _missing(path)
        if not (allow_missing and isinstance(problem, UsageError)):
            raise problem
    found = walk(existing, ignore=ignore, base=base, exclude=exclude)
    flows: list[Flow] = []
    skipped = list(found.skipped)
    diagnostics = list(found.diagnostics)
    for file in found.files:
        data = read(file)
        if isinstance(data, Diagnostic):
            diagnostics.append(data)
            continue
        documents = split(file.path, data)
        if not documents:
            skipped.append(Skipped(file.path, 1, "empty"))
        for document in documents:
            result = identify(document)
            if isinstance(result, Flow):
                flows.append(result)
            elif isinstance(result, Skipped):
                skipped.append(result)
            else:
                diagnostics.extend(result)
    diagnostics.extend(duplicates(flows))
    if strict:
        diagnostics.extend(_not_a_flow(entry) for entry in skipped)
    return Repository(
        source=", ".join(paths),
        files=len(found.files),
        flows=tuple(flows),
        skipped=tuple(sorted(skipped, key=lambda s: (s.path, s.first_line))),
        diagnostics=tuple(sorted(diagnostics, key=lambda d: d.sort_key)),
    )


def _missing(path: str) -> KestraSyncError:
    """Return the error for a missing path, which is different if the path is in Git."""
    from kestra_sync.repo.missing import find_missing

    if "\0" in path:  # invalid in a path, and as an argument of Git
        return UsageError(f"no such file or directory: {quoted(path)}")
    missing = next((each for each in find_missing((path,)).paths if each.walked), None)
    if missing is None:
        return UsageError(f"no such file or directory: {path}")
    return RefusedError(
        f"{path} is in Git, but missing here: the checkout is incomplete ({missing}:"
        f" {missing.cause.words})",
        remedy=missing.remedy,
    )


def read(file: FoundFile) -> bytes | Diagnostic:
    """Read a file, unless it is too large for a flow or unreadable."""
    try:
        data = read_resolved(file.file, limit=MAX_BYTES)
        if len(data) > MAX_BYTES:
            size = max(len(data), file.file.stat().st_size)
            return diagnostic(Document(file.path, 0, 1, b""), too_large(size))
    except OSError as error:
        return unreadable(file.path, error)
    return data


def _not_a_flow(entry: Skipped) -> Diagnostic:
    return Diagnostic(
        entry.path,
        Position(entry.first_line, 1),
        Severity.ERROR,
        "not-a-flow",
        f"not a flow: {entry.reason}",
        "add it to .kestraignore",
    )


class FileWithoutFlowCheck:
    """Checks whether a file still exists but no longer contains a flow.

    Such a file lost its ``tasks``, is ignored, or has become a link: its flow should not be deleted
    without review.
    """

    def __init__(self, repository: Repository) -> None:
        self._skipped = {each.path for each in repository.skipped}
        self._with_flows = {each.path for each in repository.flows}

    def __call__(self, path: str) -> bool:
        """Return whether this applies to a recorded path."""
        if path in self._skipped:
            return True
        if path in self._with_flows:
            return False
        return is_there(path)
