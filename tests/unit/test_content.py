"""Contents that are not in memory are compared by size and hash."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import BinaryIO

import pytest

from kestra_sync.resources import (
    CHUNK,
    ContentChangedError,
    LargeContent,
    chunks_of,
    in_memory,
    is_in_memory,
    sha256,
    size_of,
)

_DATA = bytes(range(256)) * (CHUNK // 256) + b"the rest"


def _large(data: bytes = _DATA, *, now: bytes | None = None) -> LargeContent:
    """A content that was ``data`` when it was hashed."""
    held = data if now is None else now
    return LargeContent(len(data), hashlib.sha256(data).hexdigest(), lambda: BytesIO(held))


def test_content__is_equal_by_size_and_hash() -> None:
    assert _large() == _large()
    assert _large() != _large(_DATA + b"x")
    assert sha256(_large()) == sha256(_DATA)
    assert size_of(_large()) == size_of(_DATA)
    assert "BytesIO" not in repr(_large())


def test_content__is_read_piece_by_piece_and_again() -> None:
    large = _large()
    for _ in range(2):
        pieces = list(chunks_of(large))
        assert [len(each) for each in pieces] == [CHUNK, 8]
        assert b"".join(pieces) == _DATA
    assert list(chunks_of(b"small")) == [b"small"]


@pytest.mark.parametrize(
    "now", [_DATA[:-1] + b"x", _DATA[:-1], _DATA + b"x", b"", b"x" + _DATA[1:]]
)
def test_content__that_changed_is_never_complete(now: bytes) -> None:
    """So a request with its length, or a file that takes its place at the end, is not either."""
    found: list[bytes] = []
    with pytest.raises(ContentChangedError, match=r"(since|when) it was compared"):
        found.extend(_large(now=now).chunks())
    assert sum(map(len, found)) < len(_DATA)


def test_content__that_is_gone_says_so() -> None:
    def gone() -> BinaryIO:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(ContentChangedError, match="it cannot be read: No such file or directory"):
        list(LargeContent(1, "", gone).chunks())


def test_content__that_is_large_is_not_taken_for_bytes() -> None:
    assert is_in_memory(b"")
    assert not is_in_memory(None)
    assert not is_in_memory(_large())
    with pytest.raises(TypeError):
        in_memory(_large())
