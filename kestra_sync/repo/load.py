"""Load a repository: walk, read, split, identify. Documents are only parsed when necessary.

Parsed documents are kept by the hash of their bytes, so that checks, references and diffs of one
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


def identify_source(data: bytes) -> FlowId | None:
    """The name of a flow on a server; ``None`` if unknown.

    As lenient as Kestra was when it stored the source: of two ``id`` lines the last one wins, of
    two documents the first one counts.
    """
    found = scan(data)
    if isinstance(found, FlowId):
        return found
    parsed = parse(data, lenient=True)
    return parsed.flow_id if isinstance(parsed, ParsedDocument) else None


def confirm(flow: Flow | Document) -> Flow | Skipped | tuple[Diagnostic, ...]:
    """What a full parse says the document is, whatever the scan thought."""
    document = flow.document if isinstance(flow, Flow) else flow
    parsed = parse_document(document)
    if not isinstance(parsed, ParsedDocument):
        return parsed if shows_a_flow(document.data) else _not_for_us(document, parsed)
    value = parsed.value
    if not isinstance(value, dict):
        return Skipped(document.path, document.first_line, "not a mapping")
    missing = [key for key in FLOW_KEYS if key not in value]
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


def flows_in(path: str, data: bytes) -> frozenset[FlowId] | None:
    """The flows of a file; ``None`` if one is unknown."""
    found = set()
    for document in split(path, data):
        flow = identify(document)
        if isinstance(flow, Flow):
            found.add(flow.flow_id)
        elif not isinstance(flow, Skipped):
            return None
    return frozenset(found)


# The first line with content: no comment, directive or marker.
_CONTENT = re.compile(rb"\n(?P<indent>[ \t]*)(?!---(?:[ \n]|\Z))(?P<begin>[^\s#%])")
_AT_TOP = rb"""\n(?:%s)?[^\x20-\x7e\n]*["']?%s["']?[ \t]*:(?:[ \t\n]|\Z)"""
_IN_BRACES = rb"""[{,]\s*["']?%s["']?\s*:"""


def shows_a_flow(data: bytes) -> bool:
    """Whether a document that cannot be parsed looks like a flow: its top level has all three keys.

    The top level is column 0, or the column of the first line; or it is in braces.
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


def load(
    paths: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    strict: bool = False,
    base: Path | None = None,
    apart: Collection[Path] = (),
    may_be_missing: bool = False,
) -> Repository:
    """Everything below ``paths``.

    :param ignore: more ignore patterns, relative to ``base``.
    :param strict: a document that is not a flow is an error.
    :param base: the directory of the configuration; by default the working directory.
    :param apart: resolved paths below ``paths`` that hold something else than flows.
    :param may_be_missing: a path that neither exists nor is in Git is empty.
    :raises UsageError: for a path that does not exist.
    :raises RefusedError: for one that does not exist here, but does in Git.
    """
    there = []
    for path in paths:
        if is_there(path):
            there.append(path)
            continue
        problem = _missing(path)
        if not (may_be_missing and isinstance(problem, UsageError)):
            raise problem
    found = walk(there, ignore=ignore, base=base, apart=apart)
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
    """The error for a missing path, which says so if Git has it."""
    from kestra_sync.repo.not_here import find_not_here

    if "\0" in path:  # which no file can have, nor Git be asked for
        return UsageError(f"no such file or directory: {quoted(path)}")
    held = next((each for each in find_not_here((path,)).paths if each.walked), None)
    if held is None:
        return UsageError(f"no such file or directory: {path}")
    return RefusedError(
        f"{path} is in Git, but missing here: the checkout is incomplete ({held}:"
        f" {held.cause.words})",
        remedy=held.remedy,
    )


def read(file: FoundFile) -> bytes | Diagnostic:
    """The bytes of a file, unless it is too large to be a flow or cannot be read."""
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


class FilesWithoutFlows:
    """Whether a file that once held a flow is still there and holds none now.

    Such a file lost its ``tasks``, is ignored, or has become a link: reasons to look, not to
    delete what it deployed.
    """

    def __init__(self, repository: Repository) -> None:
        self._skipped = {each.path for each in repository.skipped}
        self._yielding = {each.path for each in repository.flows}

    def __call__(self, path: str) -> bool:
        """Ask for one recorded path, as it was shown then."""
        if path in self._skipped:
            return True
        if path in self._yielding:
            return False
        return is_there(path)
