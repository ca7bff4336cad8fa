"""The namespaces of the contract tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.support.cleanup import remove_namespace
from tests.support.server import Http

#: Modules of many small tests that run no flow: what they leave is removed at their end. To look
#: for flows, executions, keys and files after each test takes as long as the test.
_TOGETHER = {"test_flows", "test_kv", "test_yaml"}


@pytest.fixture(scope="module")
def parent(http: Http) -> Iterator[str]:
    """The namespace above those of the tests of a module."""
    name = f"kstest.{uuid.uuid4().hex[:10]}"
    yield name
    remove_namespace(http, name)


@pytest.fixture
def namespace(request: pytest.FixtureRequest, http: Http) -> Iterator[str]:
    """A namespace used by this test only."""
    if request.path.stem in _TOGETHER:
        yield f"{request.getfixturevalue('parent')}.{uuid.uuid4().hex[:10]}"
        return
    name = f"kstest.{uuid.uuid4().hex[:10]}"
    yield name
    remove_namespace(http, name)
