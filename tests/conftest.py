"""Shared by all tests: the markers, and the servers for end-to-end tests.

One run covers both versions of Kestra. A test that uses ``server`` runs on the embedded engine of
the default version; one marked ``versions`` runs once for each. ``KESTRA=2.0`` makes another
version the only one, and ``KESTRA_TEST_URL`` a server that runs already, whatever it is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine import DEFAULT, VERSIONS, version_named
from tests.support.distribution import own_version, place_of, scheduler
from tests.support.engines import Engines, Host, lent
from tests.support.examples import load_profile
from tests.support.measured import measure_no_processes
from tests.support.server import Server, named_server

_HOST = pytest.StashKey[Host]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers here, next to what sets them."""
    # A shell starts background jobs with SIGINT ignored; what tests send must be heard.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    load_profile()
    config.addinivalue_line("markers", "e2e: talks to a Kestra server")
    config.addinivalue_line(
        "markers", "versions: runs on the embedded engine of each version of Kestra"
    )
    config.addinivalue_line(
        "markers", "once: runs on one version only, in a file that is marked versions"
    )
    config.addinivalue_line(
        "markers", "embedded_only: starts the embedded engine even if KESTRA_TEST_URL is set"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the engines are that all workers share."""
    config: pytest.Config = node.config
    if _HOST not in config.stash:
        config.stash[_HOST] = Host()
        config.add_cleanup(config.stash[_HOST].close)
    node.workerinput["engines"] = config.stash[_HOST].address


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let what differs between versions of Kestra run on each of them."""
    if "server" not in metafunc.fixturenames or _only_one():
        return
    marked = metafunc.definition.get_closest_marker
    if marked("versions") and not marked("once"):
        names = list(VERSIONS)
        ids = [f"kestra-{name}" for name in names]
        metafunc.parametrize("server", names, ids=ids, indirect=True, scope="session")


def _only_one() -> bool:
    """Whether a server or a version is given, so that nothing is to be chosen."""
    return bool(os.environ.get("KESTRA_TEST_URL") or os.environ.get("KESTRA"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs no server first, and what takes longest next."""
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup`` hand out the groups of ``tests.support.distribution``."""
    return scheduler(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session", autouse=True)
def _processes() -> None:
    """No process inherits the measuring of coverage: see ``tests.support.measured``."""
    measure_no_processes()


ServerOf = Callable[[str], Server]


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[ServerOf]:
    """The embedded engine of a version.

    Of the version that most tests use each worker of pytest-xdist has its own, so that tests which
    keep inventories run side by side; all workers share that of another version.
    """
    worker: dict[str, Any] = getattr(pytestconfig, "workerinput", {})
    engines = Engines()

    def of(name: str) -> Server:
        is_own = not worker or version_named(name).name == own_version()
        return engines.of(name) if is_own else lent(worker["engines"], name)

    yield of
    engines.close()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, servers: ServerOf) -> Server:
    """A running Kestra: the one that KESTRA_TEST_URL names, otherwise an embedded engine.

    A parameter names the version of an embedded engine, whatever the environment says.
    """
    if hasattr(request, "param"):
        return servers(request.param)
    if os.environ.get("KESTRA_TEST_URL"):
        return named_server()
    return servers(os.environ.get("KESTRA") or DEFAULT.name)
