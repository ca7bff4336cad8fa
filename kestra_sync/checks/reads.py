"""Namespace files and keys that flows read by name, as far as the name is written out.

Looked for in the text and not in the structure: an expression may be in any value of a flow. A name
that is put together from variables is not known before the flow runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from kestra_sync.model import Desired, Diagnostic, Kind, Position, ResourceId, Severity

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


@dataclass(frozen=True)
class Read:
    """A name in a flow.

    :param inherited: the parents of the namespace are looked at as well, as ``kv()`` does.
    :param position: in the file.
    """

    desired: Desired
    target: ResourceId
    position: Position
    inherited: bool

    def places(self) -> Iterator[ResourceId]:
        """Where it may be."""
        yield self.target
        namespace = self.target.namespace
        while self.inherited and "." in namespace:
            namespace = namespace.rpartition(".")[0]
            yield ResourceId(namespace, self.target.id, self.target.kind)


def reads(desired: Iterable[Desired], kinds: Collection[Kind]) -> Iterator[Read]:
    """The files and keys that the sources of flows name."""
    patterns = [each for each in ((Kind.FILE, _FILE), (Kind.KV, _KEY)) if each[0] in kinds]
    for flow in desired:
        for number, line in enumerate(flow.sent.split(b"\n"), 1):
            if _COMMENT.match(line):
                continue
            for kind, pattern in patterns:
                for match in pattern.finditer(line):
                    yield _read(flow, kind, match, number)


def _read(flow: Desired, kind: Kind, match: re.Match[bytes], line: int) -> Read:
    other = match["namespace"]
    namespace = flow.flow_id.namespace if other is None else other.decode()
    target = ResourceId(namespace, match["name"].decode("utf-8", "replace"), kind)
    column = len(match.string[: match.start()].decode("utf-8", "replace")) + 1
    position = flow.file_position(Position(line, column))
    return Read(flow, target, position, kind is Kind.KV and other is None)


def check_reads(
    found: Iterable[Read],
    known: Collection[ResourceId],
    names: Callable[[Kind, str], Collection[str]],
) -> tuple[Diagnostic, ...]:
    """A warning for each name that exists neither in Git nor on the server.

    :param known: what Git has.
    :param names: asks the server for all names of a kind in a namespace.
    """
    missing = [each for each in found if not any(place in known for place in each.places())]
    return tuple(
        Diagnostic(
            path=each.desired.path,
            position=each.position,
            severity=Severity.WARNING,
            rule=RULE,
            message=f"reads {each.target}, which exists neither in Git nor on the server",
            remedy=f"add the {each.target.kind.noun}, or correct its name",
            flow=each.desired.flow_id,
        )
        for each in missing
        if not any(place.id in names(place.kind, place.namespace) for place in each.places())
    )
