"""Comments for kestra-sync are distinguished from text that looks like them."""

from __future__ import annotations

import pytest

from kestra_sync.model import Position
from kestra_sync.repo.comments import Comment, comments


def about(text: str) -> list[tuple[str, int | None]]:
    """What each comment says, and the line it is about."""
    return [(each.text, each.line) for each in comments(text.encode())]


def test_a_document_without_any_is_not_parsed() -> None:
    assert comments(b"a: [") == ()


def test_ignore__at_the_start_of_a_line_applies_to_the_document() -> None:
    assert about("a: 1\n# kestra-sync: keep\nb: 2\n") == [("keep", None)]


def test_ignore__before_the_first_key_applies_to_the_document() -> None:
    assert about("---\n  # kestra-sync: keep\na: 1\n") == [("keep", None)]


def test_ignore__after_a_value_applies_to_that_line() -> None:
    text = "a: 1\nb: x   # kestra-sync: ignore[y] because\n"
    assert comments(text.encode()) == (Comment(Position(2, 8), "ignore[y] because", 2),)


def test_ignore__on_its_own_line_applies_to_the_next() -> None:
    text = "a:\n  # kestra-sync: one\n\n  # why\n  b: 1\n  # kestra-sync: last\n"
    assert about(text) == [("one", 5), ("last", None)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_breaks_of_every_kind(ending: str) -> None:
    assert about(f"a: 1{ending}b: 2 # kestra-sync: x{ending}") == [("x", 2)]


@pytest.mark.parametrize(
    "text",
    [
        "a: |\n  # kestra-sync: x\n",
        "a: |\n  b\n\n  # kestra-sync: x\nc: 1\n",
        "a: >-\n  # kestra-sync: x",
        "a: ' # kestra-sync: x'\n",
        'a: "b\n  # kestra-sync: x"\n',
        "a: b#kestra-sync: x\n",
        "'b # kestra-sync: x': 1\n",
    ],
)
def test_ignore__comment_in_a_string_is_text(text: str) -> None:
    assert about(text) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: |\n  text\n# kestra-sync: x\n", None),
        ("a: | # kestra-sync: x\n  text\n", 1),
        ("a:\n  b: |\n    text\n  # kestra-sync: x\n  c: 1\n", 5),
        ("a: [1, # kestra-sync: x\n  2]\n", 1),
        ("a: 'b' # kestra-sync: x\n", 1),
        ("a: {url: https://x} # kestra-sync: x\n", 1),
    ],
)
def test_ignore__comment_after_a_text_value(text: str, line: int | None) -> None:
    assert about(text) == [("x", line)]


@pytest.mark.parametrize(
    "data", [b"a: [\n# kestra-sync: x\n", b"\xff # kestra-sync: x\n", b"a: 1\nb # kestra-sync: x"]
)
def test_unparsable__source_has_no_triggers(data: bytes) -> None:
    assert comments(data) == ()


def test_a_document_of_comments_alone() -> None:
    assert about("# kestra-sync: keep\n  # kestra-sync: x\n") == [("keep", None), ("x", None)]
