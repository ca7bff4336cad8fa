"""The embedded engines of a run, and how processes that run tests share one.

An engine takes ten seconds of a processor to start, as much again until its code is compiled, and
a tenth of one while it idles. So with pytest-xdist the process that hands out the tests has those
that only some tests use, and starts one when the first of its workers asks for it.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from threading import Event, Lock, Thread
from typing import TypedDict

from tests.engine import VERSIONS, Engine, EngineError, version_named
from tests.support.server import Server, server_of

#: Seconds that a worker waits for an engine, which may have to be built: less than the
#: ``faulthandler_timeout`` of ``pyproject.toml``, which ends the worker without a reason.
_PATIENCE = 540.0


class HostAddress(TypedDict):
    """The address of the host of the engines, in a form that xdist can send to a worker."""

    port: int
    key: bytes


class Engines:
    """The engines of this process, each started on first use."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[str, Server] = {}
        self._starting = {name: Lock() for name in VERSIONS}

    def of(self, name: str) -> Server:
        """The engine of a version.

        :raises EngineError: it cannot be built or started.
        """
        version = version_named(name)
        with self._starting[version.name]:
            if version.name not in self._running:
                engine = self._stack.enter_context(Engine.start(kestra=version))
                self._running[version.name] = server_of(engine)
            return self._running[version.name]

    def close(self) -> None:
        """Stop them."""
        self._stack.close()


class Host:
    """Shares the engines of this process with others."""

    def __init__(self) -> None:
        self._engines = Engines()
        self._key = secrets.token_bytes(16)
        self._listener = Listener(("127.0.0.1", 0), authkey=self._key)
        self._closed = Event()
        Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> HostAddress:
        """The argument for :func:`lent`."""
        return {"port": self._listener.address[1], "key": self._key}

    def close(self) -> None:
        """Stop sharing, and stop the engines."""
        self._closed.set()
        self._listener.close()
        self._engines.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                # A client that hangs up during the handshake: others still get an engine.
                self._closed.wait(0.1)
            else:
                Thread(target=self._lend, args=(connection,), daemon=True).start()

    def _lend(self, connection: Connection) -> None:
        with connection, suppress(OSError, EOFError):  # the worker may be gone
            connection.send(self._engine_or_error(connection.recv()))

    def _engine_or_error(self, name: str) -> Server | str:
        try:
            return self._engines.of(name)
        except Exception as error:  # whatever it is, the worker reports it
            return str(error) or repr(error)


def lent(address: HostAddress, name: str, patience: float = _PATIENCE) -> Server:
    """The engine of a version, as the host has it.

    :param patience: seconds to wait for it.
    :raises EngineError: it cannot be built or started, or not in that time.
    """
    with Client(("127.0.0.1", address["port"]), authkey=address["key"]) as connection:
        connection.send(name)
        if not connection.poll(patience):
            raise EngineError(f"the engine of Kestra {name} was not ready after {patience:.0f} s")
        answer = connection.recv()
    if isinstance(answer, Server):
        return answer
    raise EngineError(answer)
