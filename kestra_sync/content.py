"""The contents of resources: bytes in memory, or a large file that is read piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias, TypeGuard

LARGE = 1024 * 1024
"""Bytes up to which a file is held in memory. A larger one is too long for a diff as well."""
CHUNK = 256 * 1024
"""Bytes of a large file that are in memory at a time."""


class ContentChangedError(Exception):
    """A large file is no longer what it was when it was hashed, or cannot be read any more."""


@dataclass(frozen=True)
class LargeContent:
    """The contents of a large file, outside of the memory. Equal by size and hash.

    :param size: in bytes.
    :param reader: opens what it is read from, at its beginning; called again for each reading.
    """

    size: int
    sha256: str
    reader: Callable[[], BinaryIO] = field(compare=False, repr=False)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, piece by piece; the last piece only if all of them have the hash.

        So what is sent to a server, or written to a file, is never complete if it is not this.

        :raises ContentChangedError: they have not, or cannot be read.
        """
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


Content: TypeAlias = bytes | LargeContent
"""What a resource holds."""


def sha256(content: Content) -> str:
    """The lower-case hex SHA-256 of ``content``, as inventories and plan files carry it."""
    if isinstance(content, LargeContent):
        return content.sha256
    return hashlib.sha256(content).hexdigest()


def size_of(content: Content) -> int:
    """How many bytes there are."""
    return content.size if isinstance(content, LargeContent) else len(content)


def chunks_of(content: Content) -> Iterator[bytes]:
    """The bytes, piece by piece.

    :raises ContentChangedError: see :meth:`LargeContent.chunks`.
    """
    return content.chunks() if isinstance(content, LargeContent) else iter((content,))


def in_memory(content: Content) -> bytes:
    """The bytes of what is in memory, which flows and keys always are.

    :raises TypeError: it is a large file.
    """
    if isinstance(content, LargeContent):
        raise TypeError("a large file is not held in memory")
    return content


def is_in_memory(content: Content | None) -> TypeGuard[bytes]:
    """Whether there is a content, and it is in memory."""
    return isinstance(content, bytes)
