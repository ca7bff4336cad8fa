from __future__ import annotations

import json

import pytest

from kestra_sync.client.answer import clean, html_title, message_of
from kestra_sync.client.errors import AlreadyExists, InvalidContent, api_error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"  \n", ""),
        (b"plain words\r\n", "plain words"),
        (
            b"<html><TITLE>502 Bad\n Gateway &amp; co</TITLE>",
            'an HTML page ("502 Bad Gateway & co")',
        ),
        (b"<html>", "an HTML page"),
        (b'{"message": "bad", "_embedded": {"errors": [{"message": "bad: tasks"}]}}', "bad: tasks"),
        (b'{"message": "one", "_embedded": {"errors": [{"message": "two"}]}}', "one; two"),
        (b'{"message": "one", "_embedded": {"errors": "?"}}', "one"),
        (b'{"type": "about:blank", "title": "Conflict", "detail": "it exists"}', "it exists"),
        (b'{"title": "Conflict", "status": 409}', "Conflict"),
        (b'{"title": "Bad", "violations": [{"field": "a", "message": "m"}]}', "Bad; m"),
        (b'{"errors": ["a", "b"], "_embedded": []}', "a; b"),
        (b'"text"', "text"),
        (b"[1]", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_message(body: bytes, message: str) -> None:
    assert message_of(body) == message


def test_deep_nesting_is_harmless() -> None:
    assert message_of(b"[" * 100_000).startswith("[[")


def test_html_by_content_type() -> None:
    assert message_of(b"Oops", "text/html") == "an HTML page"
    assert html_title(b"no title") == ""


def test_control_characters_and_length() -> None:
    assert clean("a\x1b]0;x\x07b\nc\r\nd\x07") == "a\\x1b]0;x\\x07b\nc\nd\\x07"
    assert len(message_of(json.dumps({"message": "x" * 9000}).encode())) == 4001


def test_already_exists() -> None:
    assert isinstance(api_error(422, "POST", "/", "Flow id already exists"), AlreadyExists)
    assert isinstance(api_error(422, "POST", "/", "tasks: must not be empty"), InvalidContent)
