"""Values with methods."""

from __future__ import annotations

import pytest

from kestra_sync.edits import Edit
from kestra_sync.model import Desired, Document, Flow, FlowId, Position, Scope, sha256
from tests.support.plans import desired, source


def test_places_lead_back_to_the_file() -> None:
    """From the bytes that are sent, through what an environment changed, to the document's line."""
    document = Document("flows/a.yaml", 1, 10, b"one\ntwo\nthree\n")
    flow = Flow(FlowId("acme", "a"), document)
    same = Desired(flow, document.data)
    assert same.file_position(Position(2, 5)) == Position(11, 5)
    assert same.sent_sha256 == document.sha256 == sha256(document.data)
    # A line was put in behind the first.
    longer = Desired(flow, b"one\nnew\ntwo\nthree\n", steps=((Edit(4, 4, b"new\n"),),))
    assert longer.file_position(Position(1, 1)) == Position(10, 1)
    assert longer.file_position(Position(2, 1)) == Position(11, 1)
    assert longer.file_position(Position(3, 4)) == Position(11, 4)
    assert longer.file_position(Position(99, 1)) == Position(13, 1)
    assert longer.sent_sha256 == sha256(b"one\nnew\ntwo\nthree\n")


@pytest.mark.parametrize(
    ("namespace", "wanted", "exact"),
    [
        ("company", True, True),
        ("company.team", True, False),
        ("company2", False, False),
        ("comp", False, False),
        ("", False, False),
    ],
)
def test_scope__respects_dots(namespace: str, wanted: bool, exact: bool) -> None:
    """``company`` covers ``company.team`` and not ``company2``."""
    assert Scope(("other", "company")).covers(namespace) is wanted
    assert Scope(("other", "company"), exact=True).covers(namespace) is exact


def test_flows__are_named_and_sorted() -> None:
    """By namespace, then id; with a slash, since both may hold dots."""
    ids = [FlowId("b", "a"), FlowId("a", "b"), FlowId("a", "a.b")]
    assert [str(each) for each in sorted(ids)] == ["a/a.b", "a/b", "b/a"]
    each = desired(source("a"), FlowId("acme", "a"), "flows/x.yaml")
    assert (each.flow_id, each.path) == (FlowId("acme", "a"), "flows/x.yaml")
