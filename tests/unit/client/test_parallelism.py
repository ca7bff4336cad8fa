"""``--parallelism`` is the most requests at once, of reads too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.commands.plan import plan
from kestra_sync.configured import Connection
from kestra_sync.model import FlowId, Scope
from kestra_sync.settings import Settings
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.proxy import Exchange, FaultProxy, Rule, call_after
from tests.support.sources import log_flow


class _Counter:
    """Relays each request a little later; ``most`` were on their way at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = self.all = 0

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self._now += 1
            self.all += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        # Before the client gets the answer: it may send its next request at once.
        call_after(self._answered)(exchange)

    def _answered(self) -> None:
        with self._lock:
            self._now -= 1


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
    counter = _Counter()
    with SmallKestra() as server, FaultProxy(server.url) as proxy:
        server.begin(State())
        proxy.add(Rule(counter, times=None))
        with KestraClient(proxy.url, username="a", password="b", parallelism=parallelism) as client:
            client.flows.create(log_flow("acme", "f").encode())
            read(client)
    assert counter.all > 1
    assert counter.most <= parallelism


def test_a_plan_keeps_to_the_parallelism(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KESTRA_USERNAME", "a")
    monkeypatch.setenv("KESTRA_PASSWORD", "b")
    (tmp_path / "flows").mkdir()
    for number in range(60):
        (tmp_path / "flows" / f"{number}.yaml").write_text(log_flow("acme", f"f{number}"))
    found = {}
    with SmallKestra() as server:
        for parallelism in (1, 8):
            counter = _Counter()
            server.begin(State())
            with FaultProxy(server.url) as proxy:
                proxy.add(Rule(counter, times=None))
                connection = Connection(url=proxy.url)
                plan(Settings(parallelism=parallelism, connection=connection))
            found[parallelism] = counter.most
    assert found[1] == 1
    assert found[8] > 1
