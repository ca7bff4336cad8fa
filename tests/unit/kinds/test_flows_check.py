"""Flows are validated by the server while they are parsed and checked here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kestra_sync.client.client import KestraClient
from kestra_sync.client.validation import Validation
from kestra_sync.kinds.flows.check import begin_validation, check
from kestra_sync.model import Desired, Document, Flow, FlowId
from kestra_sync.settings import Settings


class _Client:
    """A client whose server finds nothing wrong."""

    def __init__(self) -> None:
        self.flows = self
        self.asked: list[int] = []

    def validate(self, sources: Sequence[bytes]) -> tuple[Validation, ...]:
        self.asked.append(len(sources))
        return tuple(Validation(index) for index, _ in enumerate(sources))


def _desired(name: str) -> Desired:
    text = f"id: {name}\nnamespace: acme\ntasks:\n  - id: t\n    type: a.B\n"
    document = Document(f"{name}.yaml", 0, 1, text.encode())
    return Desired(Flow(FlowId("acme", name), document), document.data)


def test_validation__answer_that_was_requested_early_is_used() -> None:
    fake = _Client()
    client, desired = cast("KestraClient", fake), [_desired("a"), _desired("b")]
    early = begin_validation(client, desired)
    assert check(client, desired, Settings(), validation=early).desired == tuple(desired)
    assert fake.asked == [2]


def test_validation__other_flows_are_requested_again() -> None:
    """A plan may turn out to write other flows than those the scan of their names promised."""
    fake = _Client()
    client = cast("KestraClient", fake)
    early = begin_validation(client, [_desired("a"), _desired("b")])
    check(client, [_desired("b")], Settings(), validation=early)
    assert sorted(fake.asked) == [1, 2]
    assert begin_validation(client, ()).answer() == ()
    assert sorted(fake.asked) == [1, 2]
