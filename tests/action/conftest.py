"""A Kestra server, a GitHub stand-in, and a repository whose workflows act runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.action.act import Act, copy_action
from tests.action.github import TOKEN, Github, serving
from tests.action.gitlab import Gitlab
from tests.action.gitlab import serving as serving_gitlab
from tests.support.cleanup import remove_namespaces
from tests.support.server import Http, Server


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that use Kestra, before pytest selects by marks."""
    if _talks_to_kestra(item):
        item.add_marker(pytest.mark.e2e)


def _talks_to_kestra(item: pytest.Item) -> bool:
    return bool({"act", "namespace"} & set(getattr(item, "fixturenames", ())))


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[Http]:
    """Raw requests to Kestra."""
    with Http(server) as session:
        yield session


@pytest.fixture
def namespace(http: Http) -> Iterator[str]:
    """A namespace for the test."""
    name = f"kstest.{uuid.uuid4().hex[:10]}"
    yield name
    remove_namespaces(http, name)


@pytest.fixture
def github() -> Iterator[Github]:
    """A GitHub stand-in with one repository."""
    with serving(Github()) as running:
        yield running


@pytest.fixture
def gitlab() -> Iterator[Gitlab]:
    """A GitLab stand-in with one merge request."""
    with serving_gitlab(Gitlab()) as running:
        yield running


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action, as a runner fetches it."""
    return copy_action(tmp_path_factory.mktemp("action"))


@pytest.fixture
def act(server: Server, github: Github, action: Path, tmp_path: Path) -> Act:
    """A repository with the variables and secrets that the workflows ask for."""
    (tmp_path / "repository").mkdir()
    return Act(
        tmp_path,
        action,
        variables={
            "KESTRA_API_URL": server.url,
            "KESTRA_TENANT": server.tenant,
            "KESTRA_USERNAME": server.username,
        },
        secrets={
            "KESTRA_PASSWORD": server.password,
            "KESTRA_TOKEN": server.token or "",
            "GITHUB_TOKEN": TOKEN,
        },
        environ={
            "GITHUB_API_URL": github.url,
            "GITHUB_GRAPHQL_URL": f"{github.url}/graphql",
            "GITHUB_REPOSITORY": github.repository,
            "GITHUB_REF_NAME": "main",
        },
    )
