"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.support.cleanup import remove_executions, remove_namespaces
from tests.support.server import Http, Server

#: Modules without commands, as are those of the contract: what their tests leave is removed at the
#: end of the module. To look for flows, executions, keys and files takes as long as a test.
_WITHOUT_COMMANDS = {"test_client", "test_kinds", "test_smoke", "test_smoke_stream"}
#: Modules of commands that run flows: their executions are looked for after each test.
_RUN = {"test_drafts", "test_files_and_keys", "test_previews", "test_triggers"}
#: Modules of commands that unit tests do not run from end to end: only here are end-to-end tests
#: measured by coverage. Measuring doubles the time of Python, and elsewhere adds nothing.
_MEASURED = {
    *("test_begin", "test_files_and_keys", "test_previews"),
    *("test_pull", "test_record_place", "test_triggers"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder ``e2e``, and most of them ``no_cover``."""
    for item in items:
        if item.nodeid.startswith("tests/e2e/"):
            item.add_marker(pytest.mark.e2e)
            if item.path.stem not in _MEASURED:
                item.add_marker(pytest.mark.no_cover)


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
    if module in _WITHOUT_COMMANDS or request.path.parent.name == "contract":
        request.getfixturevalue("emptied_later").append(name)
        yield name
        return
    runs = module in _RUN or request.path.parent.name == "e2e"
    if not runs:
        request.getfixturevalue("without_runs").append(name)
    yield name
    remove_namespaces(http, name, executions=runs)
