"""How workers of pytest-xdist share engines."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from tests.engine import DEFAULT, EngineError, KestraVersion
from tests.support import engines
from tests.support.distribution import own_version
from tests.support.engines import Host, lent
from tests.support.server import Server

SERVER = Server("http://127.0.0.1:1", "a", "b", None, "main", "1.3.1")


class FakeEngine:
    """Instead of an engine: ``start`` takes as long as ``ready`` is not set."""

    ready = Event()

    @classmethod
    @contextmanager
    def start(cls, kestra: KestraVersion) -> Iterator[Server]:
        """As of :class:`tests.engine.Engine`."""
        cls.ready.wait(10)
        if kestra is not DEFAULT:
            raise EngineError("no Java")
        yield SERVER


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host that starts fakes."""
    FakeEngine.ready = Event()
    monkeypatch.setattr(engines, "Engine", FakeEngine)
    monkeypatch.setattr(engines, "server_of", lambda engine: engine)
    host = Host()
    yield host
    FakeEngine.ready.set()
    host.close()


def test_host__lends_after_a_client_that_hangs_up(host: Host) -> None:
    FakeEngine.ready.set()
    for _ in range(3):
        socket.create_connection(("127.0.0.1", host.address["port"])).close()
    assert lent(host.address, DEFAULT.name) == SERVER
    with pytest.raises(EngineError, match="no Java"):
        lent(host.address, "2.0")


def test_lent__engine_that_is_not_ready_in_time(host: Host) -> None:
    with pytest.raises(EngineError, match=r"Kestra 1\.3 was not ready after 0 s"):
        lent(host.address, DEFAULT.name, patience=0.05)
    waiting = Thread(target=lent, args=(host.address, DEFAULT.name))
    waiting.start()
    FakeEngine.ready.set()
    waiting.join(10)
    assert not waiting.is_alive()


@pytest.mark.parametrize("name", ["2", "2.0", "2.0.4"])
def test_own_version__by_any_of_its_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Else a worker would not know its own engine, and wait for that of all."""
    monkeypatch.delenv("KESTRA_TEST_URL", raising=False)
    monkeypatch.setenv("KESTRA", name)
    assert own_version() == "2.0"
