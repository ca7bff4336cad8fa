"""Reads a body with a limit, and notices when it was cut."""

from __future__ import annotations

import requests
from urllib3.exceptions import ReadTimeoutError

MAX_ANSWER = 512 * 1024 * 1024
_CHUNK = 256 * 1024


class BodyTooLargeError(Exception):
    """The answer is larger than anything we asked for."""


def read_body(response: requests.Response, limit: int = MAX_ANSWER) -> bytes:
    """The whole body.

    :raises BodyTooLargeError: over the limit.
    :raises requests.exceptions.ChunkedEncodingError: the connection ended before the body did.
    :raises requests.Timeout: it stalled.
    """
    # urllib3 before 2.0 does not compare with Content-Length unless told to.
    response.raw.enforce_content_length = True
    chunks: list[bytes] = []
    size = 0
    try:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise BodyTooLargeError
            chunks.append(chunk)
    except requests.ConnectionError as error:
        # `requests` calls a read timeout inside a body a ConnectionError.
        if any(isinstance(arg, ReadTimeoutError) for arg in error.args):
            raise requests.ReadTimeout(error) from error
        raise
    finally:
        response.close()
    return b"".join(chunks)
