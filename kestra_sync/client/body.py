"""Bodies that may be too large for the memory: of uploads, and of answers."""

from __future__ import annotations

import hashlib
import io
import threading
import weakref
from collections.abc import Callable, Iterator
from enum import Enum
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any, BinaryIO

import requests
from urllib3.exceptions import ReadTimeoutError

from kestra_sync.client.errors import KestraError
from kestra_sync.resources import LARGE, LargeContent

MAX_ANSWER = 512 * 1024 * 1024
SPOOL = 32 * 1024 * 1024
"""Larger exports of flows are mapped from a temporary file."""
_CHUNK = 64 * 1024
"""It may be compressed a thousand times."""

Moved = Callable[[int, "int | None"], None]
"""Is told how many bytes of a body have been sent or received, of how many, if that is known."""


class BodyTooLargeError(Exception):
    """The answer is larger than anything we asked for."""


class Storage(Enum):
    """Where the body of an answer is, if it is too large for the memory."""

    MEMORY = "memory"
    """There: nothing large is expected."""
    MAP = "map"
    """In a file that is mapped."""
    FILE = "file"
    """In a file, as :class:`~kestra_sync.resources.LargeContent`."""
    HASH = "hash"
    """Nowhere: only its size and hash are wanted."""


class StreamedBody:
    """A form with one large file, read while it is sent, and again for another attempt.

    Its last bytes are only sent if the file is still the one that was hashed, so a server never
    gets a whole request with something else.
    """

    def __init__(
        self, head: bytes, content: LargeContent, tail: bytes, moved: Moved | None = None
    ) -> None:
        self._head = head
        self._content = content
        self._tail = tail
        self._moved = moved

    def __len__(self) -> int:
        return len(self._head) + self._content.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        done = 0
        for piece in self._content.chunks():
            yield piece
            done += len(piece)
            if self._moved is not None:
                self._moved(done, self._content.size)
        yield self._tail


def read_body(
    response: requests.Response,
    limit: int = MAX_ANSWER,
    storage: Storage = Storage.MEMORY,
    moved: Moved | None = None,
) -> bytes | mmap | LargeContent:
    """The whole body.

    :raises BodyTooLargeError: over the limit.
    :raises KestraError: the temporary file cannot be written.
    :raises requests.exceptions.ChunkedEncodingError: the connection ended before the body did.
    :raises requests.Timeout: it stalled.
    """
    # urllib3 before 2.0 does not compare with Content-Length by default.
    response.raw.enforce_content_length = True
    collected, complete = _Collected(storage), False
    length = response.headers.get("Content-Length", "")
    # What is counted is what it unpacks to.
    packed = response.headers.get("Content-Encoding", "identity") != "identity"
    total = int(length) if length.isdecimal() and not packed else None
    small = total is not None and total <= _CHUNK  # one read, with no second one to find its end
    try:
        for chunk in response.iter_content(None if small else _CHUNK):
            if collected.size + len(chunk) > limit:
                raise BodyTooLargeError
            collected.add(chunk)
            if moved is not None:
                moved(collected.size, total)
        whole, complete = collected.result(), True
        return whole
    except requests.ConnectionError as error:
        # `requests` calls a read timeout inside a body a ConnectionError.
        if any(isinstance(arg, ReadTimeoutError) for arg in error.args):
            raise requests.ReadTimeout(error) from error
        raise
    finally:
        response.close()
        if not complete:
            collected.discard()


class _Collected:
    """The part of a body that was received: in memory at first."""

    def __init__(self, storage: Storage) -> None:
        self.size = 0
        self._storage = storage
        self._most = {Storage.MEMORY: None, Storage.MAP: SPOOL}.get(storage, LARGE)
        self._chunks: list[bytes] = []
        self._hash: Any = None
        self._file: IO[bytes] | None = None

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._chunks.append(chunk)
        if self._most is None or self.size <= self._most:
            return
        if self._storage is not Storage.MAP:
            self._hash = self._hash or hashlib.sha256()
            for each in self._chunks:
                self._hash.update(each)
        if self._storage is not Storage.HASH:
            with _Disk():
                self._file = self._file or _new_file()
                self._file.writelines(self._chunks)
        self._chunks.clear()

    def result(self) -> bytes | mmap | LargeContent:
        if self._file is not None:
            with _Disk():
                self._file.flush()
        if self._hash is not None:
            return LargeContent(self.size, self._hash.hexdigest(), self._reader())
        if self._file is None:
            return b"".join(self._chunks)
        with self._file:  # the map keeps what it needs of it
            return mmap(self._file.fileno(), 0, access=ACCESS_READ)

    def discard(self) -> None:
        """Give up the temporary file at once: an exception may be kept for long."""
        if self._file is not None:
            self._file.close()

    def _reader(self) -> Callable[[], BinaryIO]:
        if self._file is None:
            return _not_kept
        shared, size = _Shared(self._file), self.size
        return lambda: io.BufferedReader(_Reader(shared, size))


def _new_file() -> IO[bytes]:
    return TemporaryFile(prefix="kestra-sync-")


class _Disk:
    """A temporary file that cannot be written is an error of this machine."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: object, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise KestraError(
                f"cannot write a temporary file in {gettempdir()}: {error.strerror}",
                remedy="free space there, or set TMPDIR to another directory",
            ) from error


class _Shared:
    """A file that several readers read at the same time, each at its own position."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()
        weakref.finalize(self, file.close)

    def read_at(self, position: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(position)
            return self._file.read(size)


class _Reader(io.RawIOBase):
    """One reader of a shared file. ``zipfile`` reads from it as well."""

    def __init__(self, shared: _Shared, size: int) -> None:
        super().__init__()
        self._shared = shared
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._shared.read_at(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _not_kept() -> BinaryIO:
    raise io.UnsupportedOperation("only its hash was read")
