"""The stand-in of GitHub, and where a step runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kestra_sync.action.context import Context
from kestra_sync.action.github_api import GithubApi
from kestra_sync.client.retry import Backoff
from tests.action.github import TOKEN, Github, serving

QUICK = Backoff(retries=1, sleep=lambda _: None)


@pytest.fixture
def github() -> Iterator[Github]:
    """A GitHub stand-in with one repository."""
    with serving(Github()) as running:
        yield running


@pytest.fixture
def context(github: Github) -> Context:
    """A step about pull request 7."""
    return Context(
        api_url=github.url,
        graphql_url=f"{github.url}/graphql",
        repository=github.repository,
        sha="c0ffee",
        branch="main",
        pull_request=7,
    )


@pytest.fixture
def api(context: Context) -> Iterator[GithubApi]:
    """The client."""
    made = GithubApi(context, TOKEN, backoff=QUICK)
    yield made
    made.close()
