"""What all tests share: the markers, and the servers that end-to-end tests talk to.

One run covers both versions of Kestra. A test that uses ``server`` runs on the embedded engine of
the default version; one marked ``versions`` runs once for each. ``KESTRA=2.0`` makes another
version the only one, and ``KESTRA_TEST_URL`` a server that runs already, whatever it is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine import DEFAULT, VERSIONS, Engine, version_named
from tests.support.examples import load_profile
from tests.support.server import Server, named_server, server_of

_SLOW = Path(__file__).parent / "e2e"


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
        "markers", "embedded_only: starts the embedded engine even if KESTRA_TEST_URL is set"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let what differs between versions of Kestra run on each of them."""
    if "server" not in metafunc.fixturenames or _only_one():
        return
    if metafunc.definition.get_closest_marker("versions"):
        names = list(VERSIONS)
        ids = [f"kestra-{name}" for name in names]
        metafunc.parametrize("server", names, ids=ids, indirect=True, scope="session")


def _only_one() -> bool:
    """Whether a server or a version is given, so that nothing is to be chosen."""
    return bool(os.environ.get("KESTRA_TEST_URL") or os.environ.get("KESTRA"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs no server first: a mistake is reported at once, not after a minute.

    With ``--dist loadgroup`` the tests of one file and one version stay together, on one worker.
    """
    items.sort(key=lambda item: (_SLOW in item.path.parents, _version_of(item) or ""))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{_version_of(item) or ''}"))


def _version_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    name = callspec.params.get("server") if callspec else None
    return name if isinstance(name, str) else None


ServerOf = Callable[[str], Server]


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerOf]:
    """The embedded engine of a version, started when it is first asked for, kept until the end."""
    with ExitStack() as stack:
        running: dict[str, Server] = {}

        def of(name: str) -> Server:
            if name not in running:
                engine = Engine.start(kestra=version_named(name))
                running[name] = server_of(stack.enter_context(engine))
            return running[name]

        yield of


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, servers: ServerOf) -> Server:
    """A running Kestra: the one that KESTRA_TEST_URL names, otherwise an embedded engine."""
    if os.environ.get("KESTRA_TEST_URL"):
        return named_server()
    return servers(getattr(request, "param", os.environ.get("KESTRA") or DEFAULT.name))
