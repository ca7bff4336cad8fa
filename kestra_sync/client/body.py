"""Reads a body with a size limit, and detects truncation."""

from __future__ import annotations

import mmap
from typing import IO

import requests
from urllib3.exceptions import ReadTimeoutError

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
