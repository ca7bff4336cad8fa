"""Names that are valid in Kestra, and names from a hostile server."""

from __future__ import annotations

import pytest

from kestra_sync.model import FlowId
from kestra_sync.safe.text import is_flow_id, is_flow_name, is_namespace, shown

#: Neither a namespace nor an id.
HOSTILE = [
    "", ".", "..", "../x", "../../../x", "/etc/passwd", "a/b", "a\\b", "a/../../b", ".a", "-a",
    "_a", "a\n", "\na", "a\r", "a\x00b", "a\x1b[31m", "a b", "a ", "a\t", "C:\\x", "a:b", "~/x",
    "a$b", "a\u202eb", "\uff41b", "caf\u00e9", "a\u200b", "\ud800", "a" * 151,
    "::error::x", "a%2fb",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_kestra_does_not_give(text: str) -> None:
    assert not is_namespace(text)
    assert not is_flow_name(text)
    assert not is_flow_id(FlowId(text, "a"))
    assert not is_flow_id(FlowId("a", text))


def test_what_kestra_gives() -> None:
    assert is_flow_id(FlowId("company.team-1_a", "My.Flow_1-a"))
    assert is_flow_id(FlowId("a" * 150, "A" * 100))
    assert not is_flow_name("a" * 101)
    assert not is_namespace("Acme")


def test_name__is_neutralized() -> None:
    for text in HOSTILE:
        assert shown(text).isprintable()
        assert shown(text).isascii()
        assert len(shown(text)) <= 60
