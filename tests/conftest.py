"""What all tests share: the markers, and the server that end-to-end tests talk to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.examples import load_profile
from tests.support.server import Server, running_server

_SLOW = Path(__file__).parent / "e2e"


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers here, next to what sets them."""
    # A shell starts background jobs with SIGINT ignored; what tests send must be heard.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    load_profile()
    config.addinivalue_line("markers", "e2e: talks to a Kestra server")
    config.addinivalue_line(
        "markers", "embedded_only: starts the embedded engine even if KESTRA_TEST_URL is set"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs no server first: a slip is told at once, not after a minute."""
    items.sort(key=lambda item: _SLOW in item.path.parents)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running Kestra: the one that KESTRA_TEST_URL names, else the embedded engine."""
    with running_server() as found:
        yield found
