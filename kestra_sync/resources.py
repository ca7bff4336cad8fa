"""What is deployed: the kinds of resources, and their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum


class StrEnum(str, Enum):
    """``enum.StrEnum`` of Python 3.11."""

    def __str__(self) -> str:
        return str(self.value)


class Kind(StrEnum):
    """What a resource is; stable in the JSON, in patterns of ``--only`` and in the record."""

    FLOW = "flow"
    FILE = "file"
    KV = "kv"

    @property
    def noun(self) -> str:
        """What it is called."""
        return "key" if self is Kind.KV else str(self.value)


@dataclass(frozen=True, order=True)
class ResourceId:
    """The name of a resource. Written ``namespace/id``, since both parts may contain dots.

    :param id: of a flow; the path of a file (without a leading slash); or a key.
    :param kind: written before the name unless it is a flow: ``kv:acme.sales/region``.
    """

    namespace: str
    id: str
    kind: Kind = field(default=Kind.FLOW, hash=False)  # rarely differs, and is slow to hash

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.id}"
        return name if self.kind is Kind.FLOW else f"{self.kind}:{name}"


def noun_of(resources: Iterable[ResourceId]) -> str:
    """What people call one of ``resources``; ``resource`` where they are mixed."""
    nouns = {each.kind.noun for each in resources} or {"flow"}
    return nouns.pop() if len(nouns) == 1 else "resource"


def plural(number: int, singular: str, many: str | None = None) -> str:
    """``1 flow``, ``2 flows``."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


FlowId = ResourceId  # where only flows are meant


def resource_named(text: str) -> ResourceId:
    """The resource that is written like this; see :class:`ResourceId`."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in {str(each) for each in Kind}:
        kind, name = str(Kind.FLOW), text
    namespace, _, rest = name.partition("/")
    return ResourceId(namespace, rest, Kind(kind))
