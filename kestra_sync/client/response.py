"""Reads responses: whole heads, within a time limit, and bodies too large for memory.

``requests`` and urllib3 limit the time between two packets only. An answer that comes byte by byte
would never end; :class:`TimeLimit` ends it.
"""

from __future__ import annotations

import hashlib
import io
import re
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from http.client import HTTPMessage, HTTPResponse, RemoteDisconnected
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any, BinaryIO, cast

import requests
from urllib3.exceptions import ReadTimeoutError

from kestra_sync.client.errors import KestraError
from kestra_sync.resources import LARGE, LargeContent

MAX_ANSWER = 512 * 1024 * 1024
SPOOL = 32 * 1024 * 1024
"""Larger exports of flows are mapped from a temporary file."""
_CHUNK = 64 * 1024
"""It may be compressed a thousand times."""

Progress = Callable[[int, "int | None"], None]
"""A progress callback: bytes sent or received so far, and the total, if known."""


class BodyTooLargeError(Exception):
    """The response exceeds the maximum size."""


class Storage(Enum):
    """Where to keep the body of a response that may be too large for memory."""

    MEMORY = "memory"
    """In memory: nothing large is expected."""
    MAP = "map"
    """In a memory-mapped file."""
    FILE = "file"
    """In a file, as :class:`~kestra_sync.resources.LargeContent`."""
    HASH = "hash"
    """Nowhere: only its size and hash are needed."""


SLOWEST = 64 * 1024
"""Bytes per second: a response that arrives faster may exceed its time limit."""


class TimeLimit:
    """The deadline for a complete response, counted from when the request is sent.

    :param seconds: for a small response; each 64 KiB add one second.
    :param fixed: nothing is added, and the time starts immediately.
    """

    def __init__(
        self, seconds: float, *, fixed: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._fixed = fixed
        self._end = clock() + seconds if fixed else None

    def begin(self) -> None:
        """Start the time when the request is sent; no effect on later calls, as for redirects."""
        if self._end is None:
            self._end = self._clock() + self._seconds

    def left(self) -> float:
        """Return the remaining seconds.

        :raises TimeoutError: no time is left.
        """
        left = self._seconds if self._end is None else self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the response was not complete within the time limit")
        return left

    def received(self, size: int) -> None:
        """Count ``size`` more bytes."""
        if not self._fixed and self._end is not None:
            self._end += size / SLOWEST


LIMIT: ContextVar[TimeLimit | None] = ContextVar("kestra_sync_time_limit", default=None)
"""Of the request that this thread sends."""


@contextmanager
def limited(seconds: float | None, *, fixed: bool = False) -> Iterator[None]:
    """Answers to what is sent in this block, by this thread, obey a time limit to their end."""
    token = LIMIT.set(None if seconds is None else TimeLimit(seconds, fixed=fixed))
    try:
        yield
    finally:
        LIMIT.reset(token)


def response_of(sock: Any, *, method: str | None = None) -> HTTPResponse:
    """The response that is read from ``sock`` within the time limit of this thread."""
    limit = LIMIT.get()
    source: Any = sock if limit is None else _Limited(sock, limit)
    return _WholeHead(source, method=method)


#: Of a head that can be understood without the rules for emails: a status with a body, ...
_PLAIN_STATUS = re.compile(rb"HTTP/1\.1 (?!204)([245]\d\d) ?([ -~]*)\r\n")
#: ... fields without continuation lines, ...
_PLAIN_FIELD = re.compile(rb"([!-9;-~]+): *([ -~]*)\r\n")
#: ... and one that says where the body ends.
_PLAIN_LENGTH = re.compile(r"\d{1,18}")
_MOST_LINES, _LONGEST_LINE = 100, 65_536
"""Of a head, as ``http.client`` has it."""


class _WholeHead(HTTPResponse):
    """A response whose head is complete.

    ``http.client`` treats the end of the connection as the end of the head. Without
    ``Content-Length`` a truncated response then looks like an empty one: a write would count as
    done, a lock as free.
    """

    def __init__(self, sock: Any, *, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self._asked = method

    def begin(self) -> None:
        """Read the head.

        ``http.client`` reads it like that of an email, which is a sixth of the time of a request.
        So an ordinary head is understood here, and any other one by ``http.client``.

        :raises RemoteDisconnected: the connection ended first.
        """
        file: Any = self.fp
        lines = _Lines(file)
        if self._is_plain(lines.peek()):
            return
        self.fp = cast("io.BufferedReader", lines)
        try:
            super().begin()
        finally:
            if self.fp is not None:  # it is HTTP
                self.fp = file
        if not lines.last:
            raise RemoteDisconnected("the connection ended within the head of the response")

    def _is_plain(self, head: list[bytes]) -> bool:
        """Take over what ``head`` says if it is an ordinary one; otherwise nothing has changed."""
        status = _PLAIN_STATUS.fullmatch(head[0])
        if status is None or head[-1] != b"\r\n" or self._asked == "HEAD":
            return False
        message, named = HTTPMessage(), {}
        for line in head[1:-1]:
            field = _PLAIN_FIELD.fullmatch(line)
            if field is None:
                return False
            name, value = field[1].decode("ascii"), field[2].decode("ascii")
            message.set_raw(name, value)
            named[name.lower()] = value
        length, coding = named.get("content-length"), named.get("transfer-encoding")
        if len(named) != len(head) - 2 or (length is None) == (coding is None):
            return False
        if coding != "chunked" and (length is None or not _PLAIN_LENGTH.fullmatch(length)):
            return False
        self.version, self.code, self.reason = 11, int(status[1]), status[2].decode("ascii").strip()
        self.status, self.headers, self.msg = self.code, message, message
        self.chunked = length is None
        if self.chunked:
            self.chunk_left = None
        self.length = None if length is None else int(length)
        self.will_close = "close" in named.get("connection", "").lower()
        return True


class _Lines:
    """The lines of a head, which can be read twice."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._peeked: deque[bytes] = deque()
        self.last = b""

    def peek(self) -> list[bytes]:
        """The first head, up to the empty line, or to what makes it one that is not valid."""
        lines = self._peeked
        while not lines or (lines[-1] not in {b"\r\n", b"\n", b""} and len(lines) < _MOST_LINES):
            lines.append(self._file.readline(_LONGEST_LINE + 1))
        return list(lines)

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._peeked.popleft() if self._peeked else self._file.readline(limit)
        return self.last

    def close(self) -> None:
        self._file.close()


class _Limited:
    """The part of the socket interface that ``HTTPResponse`` needs."""

    def __init__(self, sock: socket.socket, limit: TimeLimit) -> None:
        self._socket = sock
        self._limit = limit

    def makefile(self, _mode: str) -> io.BufferedReader:
        """For reading."""
        return io.BufferedReader(_LimitedReader(self._socket, self._limit))


class _LimitedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, limit: TimeLimit) -> None:
        self._socket = sock
        self._file = sock.makefile("rb", buffering=0)
        self._limit = limit
        self._between_packets = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._limit.left()
        gap = self._between_packets
        self._socket.settimeout(left if gap is None else min(gap, left))
        size = self._file.readinto(buffer)
        if size:
            self._limit.received(size)
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def read_body(
    response: requests.Response,
    limit: int = MAX_ANSWER,
    storage: Storage = Storage.MEMORY,
    progress: Progress | None = None,
) -> bytes | mmap | LargeContent:
    """Read the whole body.

    :raises BodyTooLargeError: it exceeds the limit.
    :raises KestraError: the temporary file cannot be written.
    :raises requests.exceptions.ChunkedEncodingError: the connection ended before the body did.
    :raises requests.Timeout: it stalled.
    """
    # urllib3 before 2.0 does not compare with Content-Length by default.
    response.raw.enforce_content_length = True
    collected, complete = _Collected(storage), False
    length = response.headers.get("Content-Length", "")
    # The decompressed bytes are counted.
    packed = response.headers.get("Content-Encoding", "identity") != "identity"
    total = int(length) if length.isdecimal() and not packed else None
    small = total is not None and total <= _CHUNK  # a single read, without one to find its end
    try:
        for chunk in response.iter_content(None if small else _CHUNK):
            if collected.size + len(chunk) > limit:
                raise BodyTooLargeError
            collected.add(chunk)
            if progress is not None:
                progress(collected.size, total)
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
    """The received part of a body, in memory until it is large."""

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
        with self._file:  # the map keeps its own reference
            return mmap(self._file.fileno(), 0, access=ACCESS_READ)

    def discard(self) -> None:
        """Close the temporary file now: an exception may keep a reference to it."""
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
    """Turns an OSError about a temporary file into an error with a remedy."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: object, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise KestraError(
                f"cannot write a temporary file in {gettempdir()}: {error.strerror}",
                remedy="free space there, or set TMPDIR to another directory",
            ) from error


class _Shared:
    """A file with several concurrent readers, each at its own position."""

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
