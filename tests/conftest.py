"""What all tests share: the markers, and the server that end-to-end tests talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Server, running_server


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers here, next to what sets them."""
    config.addinivalue_line("markers", "e2e: talks to a Kestra server")
    config.addinivalue_line(
        "markers", "embedded_only: starts the embedded engine even if KESTRA_TEST_URL is set"
    )


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running Kestra: the one that KESTRA_TEST_URL names, else the embedded engine."""
    with running_server() as found:
        yield found
