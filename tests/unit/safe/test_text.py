"""The neutralization of untrusted text."""

from __future__ import annotations

import re

import pytest

from kestra_sync.safe.text import harmless, no_command, visible, without_escapes

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31mred",
    "a\rb",
    "a\x0bb\x0cc\x85d\u2028e\u2029f",
    "\u202eltr\u2066x\u2069",
    "\ufeff\u200e\u061c",
    "\ud800",
    "::add-mask::x",
    "  ::error file=x::y",
    "\r::stop-commands::t",
    "a\u2028::error::x",
    "##[error]x",
    "a ##[group]x",
    "##vso[task.setvariable variable=PATH]x",
    "\x00\x08\x7f\x9d0;x\x9c",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text__contains_no_control_sequences(text: str) -> None:
    shown = harmless(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]", shown)
    assert not re.search(r"(?m)^\s*::", shown)
    assert not re.search(r"##\w*\[", shown)
    shown.encode()
    assert harmless(shown) == shown


def test_neutralize__harmless_text_is_unchanged() -> None:
    text = "a::b\n\ttabs, ## heading [x], ümlaut → ok: 日本 #[x]"
    assert harmless(text) == text


def test_colours_of_logs_are_left_out() -> None:
    assert without_escapes("\x1b[31mred\x1b[0m \x1b]8;;http://x\x1b\\link") == "red link"


def test_lines() -> None:
    assert visible("a\nb") == "a\\x0ab"
    assert visible("##vso[x]") == "##\\vso[x]"
    assert no_command(" ::x") == " \\x3a:x"
