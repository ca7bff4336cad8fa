"""What is deployed: the kinds of resources, their names, and the patterns that select them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase


class StrEnum(str, Enum):
    """``enum.StrEnum`` of Python 3.11."""

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class KindTraits:
    """What the whole program knows of a kind; the rest is in its package.

    :param noun: what people call one of them.
    :param package: below ``kestra_sync.kinds``; its module ``kind`` is used through
        :class:`kestra_sync.kinds.base.KindModule`.
    :param settings: the fields of the settings that configure it, such as ``rendering.kv``.
    :param id_pattern: a regular expression for the ids that Kestra accepts; ``None`` for paths.
    :param remains: something of a deleted one stays on the server, such as empty directories.
    :param not_kept: why the server may not have an earlier version.
    """

    noun: str
    package: str
    settings: tuple[str, ...] = ()
    id_pattern: str | None = "[a-zA-Z0-9][a-zA-Z0-9._-]{0,249}"
    remains: bool = False
    not_kept: str = "the server keeps no earlier versions"


_NO_TRAITS = KindTraits("", "")


class Kind(StrEnum):
    """What a resource is; stable in the JSON, in patterns of ``--only`` and in the record.

    To add a kind, add a row, and its package below ``kinds``.
    """

    traits: KindTraits

    FLOW = (
        "flow",
        KindTraits(
            "flow",
            "flows",
            id_pattern="[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}",
            remains=True,
            not_kept="the server no longer keeps the revision",
        ),
    )
    FILE = (
        "file",
        KindTraits(
            "file",
            "files",
            ("files",),
            id_pattern=None,
            remains=True,
            not_kept="the server does not keep the revision, or the file was deleted",
        ),
    )
    KV = (
        "kv",
        KindTraits(
            "key",
            "kv",
            ("kv", "rendering.kv"),
            not_kept="the server does not keep earlier values of keys",
        ),
    )

    # The traits have a default for type checkers: ``Kind("file")`` looks a row up.
    def __new__(cls, name: str, traits: KindTraits = _NO_TRAITS) -> Kind:  # noqa: PYI034
        """A row; its value is ``name`` alone."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.traits = traits
        return row

    @property
    def noun(self) -> str:
        """What it is called."""
        return self.traits.noun


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


_KINDS = frozenset(str(each) for each in Kind)


def selected(flow_id: FlowId, only: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether the flow is selected.

    A pattern without a slash is a namespace and covers all that is below it. One that begins with
    a kind (``kv:acme.sales/*``) covers only resources of that kind, any other all kinds.
    """
    if only and not any(_matches(flow_id, pattern) for pattern in only):
        return False
    return not any(_matches(flow_id, pattern) for pattern in exclude)


def _matches(flow_id: FlowId, pattern: str) -> bool:
    kind, colon, rest = pattern.partition(":")
    if colon and kind in _KINDS:
        if kind != flow_id.kind:
            return False
        pattern = rest
    if "/" in pattern:
        return fnmatchcase(f"{flow_id.namespace}/{flow_id.id}", pattern)
    return fnmatchcase(flow_id.namespace, pattern) or fnmatchcase(flow_id.namespace, f"{pattern}.*")
