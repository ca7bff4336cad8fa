"""kestra-sync as users run it: a repository in a directory, a server, the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.proxy import FaultProxy
from tests.support.repository import Repo, RunResult, empty_repository
from tests.support.server import Server

__all__ = ["Repo", "RunResult"]


@pytest.fixture
def repo(
    server: Server,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Repo:
    """An empty repository for an empty namespace of the server."""
    return empty_repository(server.env, namespace, tmp_path, monkeypatch, capsys)


@pytest.fixture
def proxy(repo: Repo, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """What the commands talk to in place of the server; ``repo.client`` still talks to it."""
    with FaultProxy(server.url) as proxy:
        monkeypatch.setenv("KESTRA_API_URL", proxy.url)
        # How long to wait is tested with the client.
        monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
        yield proxy
