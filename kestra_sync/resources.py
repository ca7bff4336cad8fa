"""Names and contents of resources: bytes, or a large file that is read in chunks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import BinaryIO, TypeAlias, TypeGuard

from kestra_sync.errors import KestraSyncError


class StrEnum(str, Enum):
    """``enum.StrEnum`` of Python 3.11."""

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class KindTraits:
    """The properties of a kind that the whole program uses; the rest is in its package.

    :param noun: the word for one of them.
    :param package: below ``kestra_sync.kinds``; its module ``kind`` is used through
        :class:`kestra_sync.kinds.base.KindModule`.
    :param settings: the fields of the settings that configure it, such as ``rendering.kv``.
    :param id_pattern: a regular expression for the ids that Kestra accepts; ``None`` for paths.
    :param remains: deletion leaves something on the server, such as empty directories.
    :param revisions: earlier contents can be read by the number of their revision.
    :param not_kept: why the server may not have an earlier version.
    """

    noun: str
    package: str
    settings: tuple[str, ...] = ()
    id_pattern: str | None = "[a-zA-Z0-9][a-zA-Z0-9._-]{0,249}"
    remains: bool = False
    revisions: bool = False
    not_kept: str = "the server does not keep earlier versions"


_NO_TRAITS = KindTraits("", "")


class Kind(StrEnum):
    """The kind of a resource; stable in the JSON, in patterns of ``--only`` and in the record.

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
            revisions=True,
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
            revisions=True,
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
        """Create a row; its value is only ``name``."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.traits = traits
        return row

    @property
    def noun(self) -> str:
        """The word for one of them."""
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


def by_kind(resource: ResourceId) -> tuple[bool, str, str, str]:
    """A key to sort with: flows first, then the other kinds, each by name."""
    kind = resource.kind
    return kind is not Kind.FLOW, kind.value, resource.namespace, resource.id


def noun_of(resources: Iterable[ResourceId]) -> str:
    """Return the word for one of ``resources``; ``resource`` if they are of several kinds."""
    nouns = {each.kind.noun for each in resources} or {"flow"}
    return nouns.pop() if len(nouns) == 1 else "resource"


def counted(resources: Iterable[ResourceId]) -> str:
    """Count resources by kind: ``2 flows``, ``2 flows, 1 file and 1 key``."""
    counts = Counter(each.kind for each in resources)
    parts = [plural(counts[kind], kind.noun) for kind in Kind if counts[kind]] or ["0 flows"]
    return in_words(parts)


def in_words(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def plural(number: int, singular: str, many: str | None = None) -> str:
    """``1 flow``, ``2 flows``."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


FlowId = ResourceId  # where only flows are meant


def resource_named(text: str) -> ResourceId:
    """Parse the name of a resource; see :class:`ResourceId`."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in {str(each) for each in Kind}:
        kind, name = str(Kind.FLOW), text
    namespace, _, rest = name.partition("/")
    return ResourceId(namespace, rest, Kind(kind))


_KINDS = frozenset(str(each) for each in Kind)


def selected(flow_id: FlowId, only: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a resource is selected.

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


LARGE = 1024 * 1024
"""Bytes up to which a file is held in memory. A larger one is too long for a diff as well."""
MAX_FILE = 10 * 1024 * 1024 * 1024
"""Bytes of one file: Kestra's default limit for an upload."""
CHUNK = 256 * 1024
"""Bytes of a large file that are in memory at a time."""


class ContentChangedError(KestraSyncError):
    """A large file changed after it was hashed, or can no longer be read."""


@dataclass(frozen=True)
class LargeContent:
    """The contents of a large file that is not in memory. Equal by size and hash.

    :param size: in bytes.
    :param reader: opens it for reading from the beginning; called for each read.
    :param fetch: downloads a file that is not on this machine; see :func:`here`.
    """

    size: int
    sha256: str
    reader: Callable[[], BinaryIO] = field(compare=False, repr=False)
    fetch: Callable[[], Content] | None = field(default=None, compare=False, repr=False)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in chunks; the last one only if the hash of all matches.

        A request or a file with other contents is therefore never complete.

        :raises ContentChangedError: it does not match, or the file cannot be read.
        """
        if self.fetch is not None:
            yield from chunks_of(here(self))
            return
        hashed, left = hashlib.sha256(), self.size
        try:
            with self.reader() as file:
                while left:
                    piece = file.read(min(CHUNK, left))
                    left -= len(piece)
                    hashed.update(piece)
                    if not piece:
                        raise ContentChangedError("it is shorter than when it was compared")
                    if not left and (hashed.hexdigest() != self.sha256 or file.read(1)):
                        raise ContentChangedError("its content has changed since it was compared")
                    yield piece
        except OSError as error:
            raise ContentChangedError(f"it cannot be read: {error.strerror or error}") from error


def hashed(reader: Callable[[], BinaryIO]) -> LargeContent:
    """Read the content that ``reader`` opens once, to compute its hash.

    :raises OSError: it cannot be read.
    """
    found, size = hashlib.sha256(), 0
    with reader() as file:
        while piece := file.read(CHUNK):
            found.update(piece)
            size += len(piece)
    return LargeContent(size, found.hexdigest(), reader)


Content: TypeAlias = "bytes | LargeContent"
"""What a resource holds."""


def here(content: Content) -> Content:
    """Return the content on this machine, downloaded if necessary.

    :raises ContentChangedError: it was replaced in the meantime.
    """
    if not isinstance(content, LargeContent) or content.fetch is None:
        return content
    found = content.fetch()
    if found != content:
        raise ContentChangedError("its content has changed since it was compared")
    return found


def sha256(content: Content) -> str:
    """Return the lower-case hex SHA-256 of ``content``, as in inventories and plan files."""
    if isinstance(content, LargeContent):
        return content.sha256
    return hashlib.sha256(content).hexdigest()


def size_of(content: Content) -> int:
    """Return the number of bytes."""
    return content.size if isinstance(content, LargeContent) else len(content)


def chunks_of(content: Content) -> Iterator[bytes]:
    """Yield the bytes in chunks.

    :raises ContentChangedError: see :meth:`LargeContent.chunks`.
    """
    return content.chunks() if isinstance(content, LargeContent) else iter((content,))


def in_memory(content: Content) -> bytes:
    """Return the bytes of a content in memory; flows and keys always are.

    :raises TypeError: it is a large file.
    """
    if isinstance(content, LargeContent):
        raise TypeError("a large file is not held in memory")
    return content


def is_in_memory(content: Content | None) -> TypeGuard[bytes]:
    """Whether there is content, and it is in memory."""
    return isinstance(content, bytes)
