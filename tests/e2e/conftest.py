"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import random
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.engine import Engine
from tests.support.cleanup import remove_executions, remove_namespaces
from tests.support.server import Http, Server

#: Modules of many small tests that only store things: what they leave is removed at their end. To
#: look for flows, executions, keys and files after each test takes as long as the test.
_STORE = {
    *("test_dangerous_calls", "test_files", "test_flows", "test_kinds", "test_kv", "test_reading"),
    *("test_validate", "test_yaml"),
}
#: Modules of commands that run flows: their executions are looked for after each test.
_RUN = {"test_drafts", "test_files_and_keys", "test_previews", "test_triggers"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder ``e2e``, and those with engines of their own."""
    for item in items:
        if not item.nodeid.startswith("tests/e2e/"):
            continue
        item.add_marker(pytest.mark.e2e)
        if "own_engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.embedded_only)


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[Http]:
    """Raw calls to the server, with credentials: ``http.get("/flows/search")``."""
    with Http(server) as session:
        yield session


@pytest.fixture(scope="module")
def emptied_later(http: Http) -> Iterator[list[str]]:
    """The namespaces that are emptied at the end of the module."""
    names: list[str] = []
    yield names
    if names:
        remove_namespaces(http, *names)


@pytest.fixture(scope="module")
def without_runs(http: Http) -> Iterator[list[str]]:
    """The namespaces in which no test has run a flow, though a trigger may have."""
    names: list[str] = []
    yield names
    if names:
        remove_executions(http, *names)


@pytest.fixture
def namespace(request: pytest.FixtureRequest, http: Http) -> Iterator[str]:
    """A namespace used by this test only; it and its children are emptied after it, or later."""
    name = f"kstest.{uuid.uuid4().hex[:10]}"
    module = request.path.stem
    if module in _STORE:
        request.getfixturevalue("emptied_later").append(name)
        yield name
        return
    runs = module in _RUN or request.path.parent.name not in ("sync", "cli")
    if not runs:
        request.getfixturevalue("without_runs").append(name)
    yield name
    remove_namespaces(http, name, executions=runs)


@pytest.fixture(scope="session")
def lasting_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that keeps its data on disk: it can be killed and restarted at will."""
    folder = tmp_path_factory.mktemp("engine")
    with Engine.start(data=folder, port=_lasting_port()) as engine:
        yield engine


@pytest.fixture
def own_engine(lasting_engine: Engine) -> Engine:
    """The engine of those tests that end it. What earlier ones have stored may be there."""
    if not lasting_engine.running:
        lasting_engine.restart()
    return lasting_engine


def _lasting_port() -> int:
    """A port outside of the ephemeral range: it stays free while the engine is down."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
