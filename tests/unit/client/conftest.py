"""A scripted server, a client for it, and no real waiting."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.client.retry import Backoff

from .scripted import ScriptedServer, as_json

TOKEN = "tok-secret-1234"
ClientFactory = Callable[..., KestraClient]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine: no settings, no proxies, no netrc, no .env."""
    for name in (
        *("KESTRA_API_URL", "KESTRA_TOKEN", "KESTRA_TOKEN_FILE", "KESTRA_USERNAME"),
        *("KESTRA_PASSWORD", "KESTRA_PASSWORD_FILE", "KESTRA_TENANT", "NETRC"),
        *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.on("GET", "/api/v1/configs", as_json({"version": "1.3.25", "edition": "OSS"}))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def naps() -> list[float]:
    """The seconds that would have been waited."""
    return []


@pytest.fixture
def make_client(scripted: ScriptedServer, naps: list[float]) -> Iterator[ClientFactory]:
    made: list[KestraClient] = []

    def make(url: str | None = None, **settings: object) -> KestraClient:
        if not {"token", "username"} & set(settings):
            settings["token"] = TOKEN
        backoff = Backoff(sleep=naps.append, clock=lambda: 1_000_000.0, jitter=lambda: 1.0)
        settings.setdefault("backoff", backoff)
        client = KestraClient(url or scripted.url, **settings)  # type: ignore[arg-type]
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: ClientFactory) -> KestraClient:
    return make_client()


def zipped(*sources: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, source in enumerate(sources):
            archive.writestr(f"../{number}.yml", source)
    return buffer.getvalue()
