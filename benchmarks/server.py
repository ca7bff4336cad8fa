"""A Kestra server with memory for many flows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Machine
from tests.engine import Engine, version_named
from tests.support.server import running_server, server_of


@contextmanager
def fresh_machine(bytecode: Path, kestra: str) -> Iterator[tuple[Machine, str]]:
    """A machine with a server, and the version of that.

    It is the server of KESTRA_TEST_URL, where the flows then stay; else an embedded Kestra of its
    own, as in the tests, all in memory, gone afterwards.

    :param kestra: the version of the embedded one.
    """
    if os.environ.get("KESTRA_TEST_URL"):
        with running_server() as server:
            yield Machine(server.env, bytecode), server.version
        return
    with Engine.start(options=("-Xmx8g",), kestra=version_named(kestra)) as engine:
        server = server_of(engine)
        yield Machine(server.env, bytecode, engine.pid), server.version
