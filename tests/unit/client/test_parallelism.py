"""``--parallelism`` is the most requests at once, of reads too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.model import FlowId, Scope
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.at_once import AtOnce
from tests.support.sources import log_flow


def _export_by_namespace(client: KestraClient) -> object:
    return client.flows.export(Scope(("acme",)))


def _validate(client: KestraClient) -> object:
    return client.flows.validate([log_flow("acme", f"f{n}").encode() for n in range(120)])


def _map(client: KestraClient) -> object:
    return client.map(client.flows.get, [FlowId("acme", "f")] * 10)


@pytest.mark.parametrize("read", [_export_by_namespace, _validate, _map])
@pytest.mark.parametrize("parallelism", [1, 2])
def test_reads_keep_to_the_parallelism(
    read: Callable[[KestraClient], object], parallelism: int
) -> None:
    with SmallKestra() as server:
        counter = AtOnce()
        server.begin(State(), counter)
        with KestraClient(
            server.url, username="a", password="b", parallelism=parallelism
        ) as client:
            client.flows.create(log_flow("acme", "f").encode())
            read(client)
    assert counter.all > 1
    assert counter.most <= parallelism
