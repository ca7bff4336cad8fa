"""Finds the namespace files and keys that flows read by a literal name.

Searches the text for expressions, not the structure: they may be in any value of a flow. Names that
are built from variables are only known at run time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kestra_sync.model import Desired, Diagnostic, Kind, Position, ResourceId, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source

RULE = "reference-missing"

#: ``read('a/b.sql')`` with ``namespace='x.y'`` or without, in an expression.
_FILE = re.compile(
    rb"""\bread\(\s*(?P<quote>['"])(?:nsfile:/{0,3})?/?(?P<name>[^'"{}:\\\n]+)(?P=quote)
         (?:\s*,\s*namespace\s*=\s*(?P<q>['"])(?P<namespace>[a-z0-9._-]+)(?P=q))?\s*\)""",
    re.VERBOSE,
)
#: ``kv('key')``, ``kv('key', 'x.y')``; not with ``errorOnMissing`` or another argument.
_KEY = re.compile(
    rb"""\bkv\(\s*(?:key\s*=\s*)?(?P<quote>['"])(?P<name>[A-Za-z0-9._-]+)(?P=quote)
         (?:\s*,\s*(?:namespace\s*=\s*)?(?P<q>['"])(?P<namespace>[a-z0-9._-]+)(?P=q))?\s*\)""",
    re.VERBOSE,
)
_COMMENT = re.compile(rb"^[ \t]*#")


_GLOB = frozenset("*?[]{}\\")
_BLOCK = "namespaceFiles"


@dataclass(frozen=True)
class ResourceRead:
    """A name in a flow.

    :param namespaces: where it may be; ``kv()`` also searches the parents of a namespace.
    :param position: in the file.
    :param below: match the name in any directory, as ``namespaceFiles.include`` does.
        ``name`` may then be ``""``: all files.
    """

    desired: Desired
    kind: Kind
    name: str
    namespaces: tuple[str, ...]
    position: Position
    below: bool = False

    @property
    def target(self) -> ResourceId:
        """The resource in its own namespace."""
        return ResourceId(self.namespaces[0], self.name, self.kind)

    def is_found(self, name: str) -> bool:
        """Return whether it matches the resource ``name`` in one of the namespaces."""
        if not self.below:
            return name == self.name
        return not self.name or f"/{name}".endswith(f"/{self.name}")

    def matches(self, known: Collection[ResourceId]) -> Iterator[ResourceId]:
        """Yield the ``known`` resources that it matches."""
        if not self.below:
            named = (ResourceId(each, self.name, self.kind) for each in self.namespaces)
            yield from (each for each in named if each in known)
            return
        for each in known:
            same = each.kind is self.kind and each.namespace in self.namespaces
            if same and self.is_found(each.id):
                yield each


def reads(desired: Iterable[Desired], kinds: Collection[Kind]) -> Iterator[ResourceRead]:
    """Yield the files and keys that flows read."""
    patterns = [each for each in ((Kind.FILE, _FILE), (Kind.KV, _KEY)) if each[0] in kinds]
    for flow in desired:
        for number, line in enumerate(flow.sent.split(b"\n"), 1):
            if _COMMENT.match(line):
                continue
            for kind, pattern in patterns:
                for match in pattern.finditer(line):
                    yield _read(flow, kind, match, number)
        if Kind.FILE in kinds and _BLOCK.encode() in flow.sent:
            yield from _included(flow)


def _read(flow: Desired, kind: Kind, match: re.Match[bytes], line: int) -> ResourceRead:
    other = match["namespace"]
    namespace = flow.flow_id.namespace if other is None else other.decode()
    namespaces = [namespace]
    while kind is Kind.KV and other is None and "." in namespace:
        namespace = namespace.rpartition(".")[0]
        namespaces.append(namespace)
    column = len(match.string[: match.start()].decode("utf-8", "replace")) + 1
    position = flow.file_position(Position(line, column))
    name = match["name"].decode("utf-8", "replace")
    return ResourceRead(flow, kind, name, tuple(namespaces), position)


def _included(flow: Desired) -> Iterator[ResourceRead]:
    """Yield the names in ``namespaceFiles.include``; without names all files."""
    parsed = parse_source(flow.sent)
    pending: list[tuple[Any, tuple[str | int, ...]]] = [
        (parsed.value if isinstance(parsed, ParsedDocument) else None, ())
    ]
    while pending and isinstance(parsed, ParsedDocument):
        node, path = pending.pop()
        if isinstance(node, list):
            pending += [(each, (*path, at)) for at, each in enumerate(node)]
        if not isinstance(node, dict):
            continue
        pending += [(each, (*path, key)) for key, each in node.items() if key != _BLOCK]
        block = node.get(_BLOCK)
        if not isinstance(block, dict) or block.get("enabled") is False:
            continue
        namespaces = _texts(block.get("namespaces")) or (flow.flow_id.namespace,)
        include = _texts(block.get("include")) or ("",)
        for at, name in enumerate(include):
            # Kestra searches all directories for a pattern without a directory.
            plain = "" if _GLOB.intersection(name) else name.lstrip("/")
            place = parsed.position_of((*path, _BLOCK, "include", at))
            yield ResourceRead(
                flow, Kind.FILE, plain, namespaces, flow.file_position(place), below=True
            )


def _texts(value: Any) -> tuple[str, ...]:
    """Return the items of a list of strings; ``()`` if it is an expression."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return ()
    return () if any("{{" in each for each in value) else tuple(value)


def check_reads(
    found: Iterable[ResourceRead],
    known: Collection[ResourceId],
    names: Callable[[Kind, str], Collection[str]],
) -> tuple[Diagnostic, ...]:
    """Return a warning for each name that exists neither in Git nor on the server.

    :param known: the resources in Git.
    :param names: reads all names of a kind in a namespace from the server.
    """
    named = [each for each in found if each.name]
    missing = [each for each in named if next(each.matches(known), None) is None]
    return tuple(
        Diagnostic(
            path=each.desired.path,
            position=each.position,
            severity=Severity.WARNING,
            rule=RULE,
            message=f"reads {each.target}, which exists neither in Git nor on the server",
            remedy=f"add the {each.kind.noun}, or correct its name",
            flow=each.desired.flow_id,
        )
        for each in missing
        if not any(
            each.is_found(name) for place in each.namespaces for name in names(each.kind, place)
        )
    )
