"""Reads a body with a size limit, and detects truncation."""

from __future__ import annotations

import gzip
import logging
import mmap
from typing import IO

import requests
from urllib3.exceptions import ReadTimeoutError

LOG = logging.getLogger("kestra_sync.http")
_REFUSED = frozenset({400, 415})
_MISUNDERSTOOD = frozenset({406, 422, 501})
"""What a server may say that was given the compressed bytes for the content itself."""
_COST = len("Content-Encoding: gzip\r\n")


class Compression:
    """Whether bodies leave compressed, for one server. Safe to share between threads."""

    def __init__(self) -> None:
        self._understood = False
        self._refused = False

    def pack(self, body: bytes) -> bytes | None:
        """``body`` compressed; ``None`` if it is to leave as it is."""
        if self._refused:
            return None
        packed = gzip.compress(body, compresslevel=9, mtime=0)
        return packed if len(packed) + _COST < len(body) else None

    def doubtful(self, status: int) -> bool:
        """Whether ``status``, the answer to a compressed body, may be about the compression.

        Nothing was written then, and the request can be sent again with the plain body.
        """
        if status < 400:
            self._understood = True
        return status in _REFUSED or (not self._understood and status in _MISUNDERSTOOD)

    def settle(self, packed: int, plain: int) -> None:
        """Compare the answers to both: if the plain body got further, no other is sent again."""
        if packed != plain and plain < 500 and plain != 429 and not self._refused:
            self._refused = True
            LOG.info(
                "compressed bodies are refused (%d): sending them uncompressed from now on", packed
            )


MAX_ANSWER = 512 * 1024 * 1024
MAX_JSON = 128 * 1024 * 1024
"""Of an answer that is not an export or a file: pages of a search have a few megabytes."""
MAX_ERROR = 1024 * 1024
"""Of an error, the rest of which is not read."""
_CHUNK = 64 * 1024
"""It may be compressed a thousand times."""
SPOOL = 32 * 1024 * 1024
"""Larger bodies go to a temporary file where that is wanted."""


class BodyTooLargeError(Exception):
    """The answer is larger than anything we asked for."""


def read_body(
    response: requests.Response, limit: int = MAX_ANSWER, spool: int | None = None
) -> bytes | mmap.mmap:
    """The whole body.

    :param spool: beyond so many bytes it is not in memory but in a file that has no name.
    :raises BodyTooLargeError: over the limit.
    :raises requests.exceptions.ChunkedEncodingError: the connection ended before the body did.
    :raises requests.Timeout: it stalled.
    """
    # urllib3 before 2.0 does not compare with Content-Length by default.
    response.raw.enforce_content_length = True
    chunks: list[bytes] = []
    file: IO[bytes] | None = None
    size = 0
    try:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise BodyTooLargeError
            chunks.append(chunk)
            if spool is not None and size > spool:
                file = file or _file()
                file.writelines(chunks)
                chunks.clear()
        if file is None:
            return b"".join(chunks)
        file.flush()
        # The map keeps what it needs of the file.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except requests.ConnectionError as error:
        # `requests` calls a read timeout inside a body a ConnectionError.
        if any(isinstance(arg, ReadTimeoutError) for arg in error.args):
            raise requests.ReadTimeout(error) from error
        raise
    finally:
        response.close()
        if file is not None:
            file.close()


def _file() -> IO[bytes]:
    from tempfile import TemporaryFile

    return TemporaryFile(prefix="kestra-sync-")
