"""Compresses request bodies, so that most flows fit into the first read of the server.

Kestra takes ``Content-Encoding: gzip`` and stores the source byte for byte. What lies in between
may not: once something has refused a compressed body, the others leave as they are.
"""

from __future__ import annotations

import gzip
import logging

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
