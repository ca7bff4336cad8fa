from __future__ import annotations

import io
import re
import threading
import time
import zipfile
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.client.archive import ArchiveLimits, read_archive
from kestra_sync.client.bulk import scope_filters
from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.client.follow import Event, read_events
from kestra_sync.client.parallel import in_background, in_parallel
from kestra_sync.client.request import Part, encode, encode_multipart, query, segments
from kestra_sync.client.retry import Backoff
from kestra_sync.errors import UsageError
from kestra_sync.model import Scope
from tests.support.examples import examples

from .conftest import zipped

NAME = st.text("ab.-_01", min_size=1, max_size=9).filter(lambda name: name[0] in "ab01")


def matches(pairs: tuple[tuple[str, str], ...], namespace: str) -> bool:
    """As the server would filter."""
    if not pairs:
        return True
    ((name, value),) = pairs
    if "REGEX" in name:
        return re.match(value, namespace) is not None
    if "EQUALS" in name:
        return namespace == value
    return namespace == value or namespace.startswith(f"{value}.")


def found(filters: tuple[tuple[tuple[str, str], ...], ...], namespace: str) -> bool:
    return any(matches(pairs, namespace) for pairs in filters)


@given(st.lists(NAME, min_size=1, max_size=5), st.booleans(), NAME, st.data())
def test_filter_is_the_scope(
    names: list[str], exact: bool, other: str, data: st.DataObject
) -> None:
    scope = Scope(tuple(names), exact=exact)
    near = data.draw(st.sampled_from(names))
    for namespace in (other, near, f"{near}.{other}", f"{near}{other}", near.replace(".", "x")):
        assert found(scope_filters(scope), namespace) is scope.covers(namespace)


@given(
    st.lists(NAME, min_size=1, max_size=6),
    st.booleans(),
    st.integers(15, 60),
    st.integers(1, 3),
    NAME,
)
def test_filter__wider_one_finds_at_least_as_much(
    names: list[str], exact: bool, longest: int, requests: int, other: str
) -> None:
    scope = Scope(tuple(names), exact=exact)
    filters = scope_filters(scope, pattern=longest, requests=requests)
    assert len(filters) <= requests
    for pairs in filters:
        assert all("REGEX" not in name or len(value) <= longest for name, value in pairs)
    for namespace in (*names, *(f"{name}.{other}" for name in names)):
        assert found(filters, namespace) or not scope.covers(namespace)


def test_filters() -> None:
    def value(*names: str, exact: bool = False) -> tuple[tuple[tuple[str, str], ...], ...]:
        return scope_filters(Scope(names, exact=exact))

    def regex(pattern: str) -> tuple[tuple[tuple[str, str], ...], ...]:
        return ((("filters[namespace][REGEX]", pattern),),)

    assert scope_filters(None) == ((),)
    assert value("a") == ((("filters[namespace][PREFIX]", "a"),),)
    assert value("a", "a.b", "a") == ((("filters[namespace][PREFIX]", "a"),),)
    assert value("a", exact=True) == ((("filters[namespace][EQUALS]", "a"),),)
    assert value("a.b", "c") == regex(r"^(a\.b|c)($|\.)")
    assert value("a.b", "c", exact=True) == regex(r"^(a\.b|c)$")
    # Kestra 2.0 takes patterns of 250 characters: beyond, one request for each group of names.
    some = tuple(f"company.team{number:02}" for number in range(40))
    groups = value(*some)
    assert 1 < len(groups) <= 8
    assert all(len(pattern) <= 250 for ((_name, pattern),) in groups)
    many = tuple(f"company.team{number}" for number in range(300))
    assert value(*many) == ((("filters[namespace][PREFIX]", "company"),),)
    assert value(*(f"team{number}" for number in range(300))) == ((),)


def test_archive() -> None:
    assert read_archive(zipped()) == ()
    assert read_archive(zipped(b"a", b"")) == (b"a", b"")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", "")
    assert read_archive(buffer.getvalue()) == ()


@pytest.mark.parametrize(
    "limits",
    [ArchiveLimits(entries=1), ArchiveLimits(entry_size=999), ArchiveLimits(total_size=1500)],
)
def test_archive_bombs(limits: ArchiveLimits) -> None:
    with pytest.raises(UnexpectedAnswer):
        read_archive(zipped(bytes(1000), bytes(1000)), limits)


def test_damaged_archives() -> None:
    good = zipped(b"content" * 100)
    flipped = bytearray(good)
    flipped[40] ^= 0xFF
    encrypted = good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    for bad in (b"", b"no zip", good[:50], bytes(flipped), encrypted):
        with pytest.raises(UnexpectedAnswer, match="not a valid zip"):
            read_archive(bad)


@settings(max_examples=examples(500))
@given(st.data())
def test_archives_that_were_tampered_with(data: st.DataObject) -> None:
    """They give what was put in, or the one error; never something else."""
    whole = (b"content" * 100, b"", b"more")
    bad = bytearray(zipped(*whole))
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    with suppress(UnexpectedAnswer):
        assert set(read_archive(bytes(bad))) <= set(whole)


def test_files_that_are_not_where_they_should_be() -> None:
    good = zipped(b"content" * 100)
    with pytest.raises(UnexpectedAnswer, match="not a valid zip"):
        read_archive(b"PK\x07\x08" + good[4:])


def test_files_that_are_stored_as_they_are() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a", b"content")
    assert read_archive(buffer.getvalue()) == (b"content",)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"content")
    with pytest.raises(UnexpectedAnswer, match="an unknown compression method"):
        read_archive(buffer.getvalue())


def test_in_the_background() -> None:
    """The result or the error comes where it is asked for, and only there."""
    begun = threading.Event()
    answer = in_background(lambda: begun.wait(10) and "done")
    begun.set()
    assert answer() == "done"
    failing = in_background(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failing()


STREAM = (
    b"\xef\xbb\xbf: hello\r\n"
    b"id: start\ndata: {}\n\n"
    b"id: progress\rdata: one\rdata:two\r\r"
    b"event: x\r\ndata\r\nretry: 5\r\nunknown\r\n\r\n"
    b"\n: ping\n\n"
    b"id: end\ndata: \xc3\xa4\n\n"
    b"data: never finished\n"
)
EVENTS = [
    Event("start", "{}"),
    Event("progress", "one\ntwo"),
    Event("", "", "x"),
    Event("end", "ä"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_stream__events_split_anywhere(cuts: list[int]) -> None:
    # The first chunk holds the whole mark; three bytes are not sent apart.
    edges = [0, *sorted(cut for cut in cuts if cut > 2), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(edges)]
    assert list(read_events(chunks)) == EVENTS


@pytest.mark.parametrize("chunk", [b"x" * 10, b"data: x\n"])
def test_events__without_end(chunk: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match="larger than 100 bytes"):
        list(read_events([chunk] * 50, limit=100))


def test_segments() -> None:
    assert segments("a/b", "c d?", "ä") == "a%2Fb/c%20d%3F/%C3%A4"
    for name in ("", ".", ".."):
        with pytest.raises(UsageError):
            segments("a", name)


def test_query() -> None:
    pairs = query(("a", True), ("b", None), ("filters[x]", 1), ("a", "ü&"))
    assert encode(pairs) == "a=true&filters%5Bx%5D=1&a=%C3%BC%26"


def test_multipart() -> None:
    body, content_type = encode_multipart(
        [Part("a", b"1"), Part('b"\r\n', b"2", 'f".txt'), Part("c", b"3", "c", "text/x")]
    )
    boundary = content_type.partition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)
    assert parts[1] == b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    assert b'name="b%22%0D%0A"; filename="f%22.txt"\r\n' in parts[2]
    assert b"Content-Type: application/octet-stream\r\n\r\n2" in parts[2]
    assert b"Content-Type: text/x\r\n" in parts[3]
    assert parts[4] == b"--\r\n"
    assert encode_multipart([])[0].endswith(b"--\r\n")


def test_backoff() -> None:
    naps: list[float] = []
    backoff = Backoff(sleep=naps.append, jitter=lambda: 0.0)
    for attempt in range(7):
        backoff.wait(attempt)
    assert naps == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff.retry_after(None) is None


def test_in_parallel_stops_at_the_first_failure() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise KeyError(number)
        time.sleep(0.02)  # the rest would take 10 seconds: time enough to notice the failure
        return number * 2

    assert in_parallel(work, [1, 2, 3], 2) == [2, 4, 6]
    begun.clear()
    with pytest.raises(KeyError):
        in_parallel(work, range(500), 1)
    assert len(begun) < 500
