"""``--parallelism`` limits concurrent requests, including reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.model import FlowId, Scope
from tests.fuzz.small_kestra import Answer, SmallKestra, State
from tests.support.at_once import AtOnce
from tests.support.sources import log_flow


class _Colliding(AtOnce):
    """The first export fails: two flows have the same file name in it."""

    exports = 0

    def __call__(self, route: str, number: int, answer: Answer) -> Answer:
        answer = super().__call__(route, number, answer)
        self.exports += route == "export"
        is_first = route == "export" and self.exports == 1
        return Answer(500, b'{"message": "duplicate entry: a.yml"}') if is_first else answer


def _export_by_namespace(client: KestraClient) -> object:
    return client.flows.export(Scope(("acme",)))


def _validate(client: KestraClient) -> object:
    return client.flows.validate([log_flow("acme", f"f{n}").encode() for n in range(120)])


def _map(client: KestraClient) -> object:
    return client.map(client.flows.get, [FlowId("acme.n1", "f")] * 10)


@pytest.mark.parametrize("read", [_export_by_namespace, _validate, _map])
@pytest.mark.parametrize("parallelism", [1, 2])
def test_reads_keep_to_the_parallelism(
    read: Callable[[KestraClient], object], parallelism: int
) -> None:
    with SmallKestra() as server:
        counter = _Colliding()
        server.begin(State(), counter)
        with KestraClient(
            server.url, username="a", password="b", parallelism=parallelism
        ) as client:
            for number in range(6):
                client.flows.create(log_flow(f"acme.n{number}", "f").encode())
            read(client)
    assert counter.all > 6 + 1
    assert counter.most <= parallelism
