"""Documents are cut byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kestra_sync.repo.parse import parse
from kestra_sync.repo.text import split


def _split(data: bytes) -> list[tuple[int, bytes]]:
    return [(document.first_line, document.data) for document in split("f", data)]


@pytest.mark.parametrize(
    "data",
    [
        b"a: 1\n",
        b"a: 1",
        b"---\na: 1\n",
        b"\xef\xbb\xbf---\r\na: 1\r\n",
        b"# only words\n---\na: 1\n---\n# nothing\n",
        b"%YAML 1.1\n---\na: 1\n...\n",
        b"a: 1\n---\n",
        b"a: 1\n--- # nothing\n\n",
        b"--- {a: 1}\n",
        b"a: |\n  x\n  ---\n  y\n",
        b"a: ---x\n---b: 1\n",
        b"\xff\xfea\x00\n\x00-\x00-\x00-\x00\n\x00",
        b"a: b...\n",
    ],
)
def test_split__single_document_is_the_complete_file(data: bytes) -> None:
    assert _split(data) == [(1, data)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"# words\n",
        b"---\n",
        b"---\n---\n# x\n",
        b"%YAML 1.1\n---\n",
        b"\xef\xbb\xbf",
    ],
)
def test_split__empty_file_has_no_documents(data: bytes) -> None:
    assert _split(data) == []


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        (b"a: 1\n---\nb: 2\n", [(1, b"a: 1\n"), (3, b"b: 2\n")]),
        (b"---\na: 1\n---\nb: 2", [(2, b"a: 1\n"), (4, b"b: 2")]),
        (b"a: 1\r\n---\r\nb: 2\r\n", [(1, b"a: 1\r\n"), (3, b"b: 2\r\n")]),
        (b"a: 1\r---\rb: 2\r", [(1, b"a: 1\r"), (3, b"b: 2\r")]),
        (b"a: 1\n--- # words\nb: 2\n", [(1, b"a: 1\n"), (3, b"b: 2\n")]),
        (b"a: 1\n--- {b: 2}\n", [(1, b"a: 1\n"), (2, b"--- {b: 2}\n")]),
        (b"a: 1\n--- |\n text\n", [(1, b"a: 1\n"), (2, b"--- |\n text\n")]),
        (b"a: 1\n...\n# x\n%YAML 1.1\n---\nb: 2\n", [(1, b"a: 1\n"), (6, b"b: 2\n")]),
        (b"a: 1\n...\nb: 2\n", [(1, b"a: 1\n"), (3, b"b: 2\n")]),
        (b"---\n%a\n---\nb: 2\n", [(2, b"%a\n"), (4, b"b: 2\n")]),
        (b"\xef\xbb\xbf---\na: 1\n---\nb: 2\n", [(2, b"a: 1\n"), (4, b"b: 2\n")]),
        (
            b"---\n# head\na: 1\n# tail\n---\t\nb: 2\n",
            [(2, b"# head\na: 1\n# tail\n"), (6, b"b: 2\n")],
        ),
    ],
)
def test_several_documents(data: bytes, documents: list[tuple[int, bytes]]) -> None:
    assert _split(data) == documents


LINES = st.sampled_from(
    [b"a: 1", b"b: 2", b"---", b"...", b"# x", b"", b"  - y", b"--- {c: 3}", b"k: |"]
)


@given(st.lists(LINES), st.sampled_from([b"\n", b"\r\n"]))
def test_documents_are_slices_at_their_lines(lines: list[bytes], end: bytes) -> None:
    data = end.join(lines)
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for document in split("f", data):
        start = starts[document.first_line - 1]
        assert data[start : start + len(document.data)] == document.data
        # No document that we send can be two.
        found = parse(document.data)
        assert (
            not isinstance(found, tuple)
            or found[0].message != "a second document"
            or (len(split("f", data)) == 1)
        )
