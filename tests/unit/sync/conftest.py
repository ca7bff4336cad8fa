"""Whole commands against a small Kestra in this process, for what does not depend on the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.repository import Repo, empty_repository


@pytest.fixture
def repo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Repo]:
    """An empty repository and an empty server."""
    monkeypatch.delenv("KESTRA_TOKEN", raising=False)
    with SmallKestra() as server:
        server.begin(State())
        env = {"KESTRA_API_URL": server.url, "KESTRA_TENANT": "main"}
        env |= {"KESTRA_USERNAME": "admin", "KESTRA_PASSWORD": "secret"}
        yield empty_repository(env, "kstest.unit", tmp_path, monkeypatch, capsys)
