"""The Kestra server that the tests talk to, and a session for raw calls to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from kestra_sync.client.connection import SingleSendAdapter
from tests.engine import DEFAULT, Engine, KestraVersion

YAML = {"Content-Type": "application/x-yaml"}
"""The header that every write of a flow needs."""


@dataclass(frozen=True)
class Server:
    """A running Kestra server."""

    url: str
    """Its address, without a slash at the end."""
    username: str
    """The user of basic authentication; empty with a token."""
    password: str
    """The password of basic authentication; empty with a token."""
    token: str | None
    """The API token of the enterprise edition."""
    tenant: str
    """The tenant of all calls."""
    version: str
    """What the server calls itself, such as ``1.3.25``."""

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version, to compare."""
        match = re.match(r"(\d+)\.(\d+)", self.version)
        assert match is not None, f"not a version: {self.version}"
        return int(match.group(1)), int(match.group(2))

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point kestra-sync at this server."""
        variables = {"KESTRA_API_URL": self.url, "KESTRA_TENANT": self.tenant}
        if self.token:
            return {**variables, "KESTRA_TOKEN": self.token}
        return {
            **variables,
            "KESTRA_USERNAME": self.username,
            "KESTRA_PASSWORD": self.password,
        }


class Http(requests.Session):
    """A session with credentials; a path without ``/api`` is below ``/api/v1/{tenant}``."""

    def __init__(self, server: Server, *, url: str | None = None) -> None:
        super().__init__()
        self.server = server
        self.base = url or server.url
        # No proxy of the machine between the tests and a server on this machine.
        self.trust_env = urlsplit(self.base).hostname not in ("127.0.0.1", "localhost")
        # Head and body leave at once: of a PUT that it answers with 404, a server that reads the
        # body apart from the head never sends the answer, and spins until its memory is full.
        self.mount("http://", SingleSendAdapter())
        if server.token:
            self.headers["Authorization"] = f"Bearer {server.token}"
        else:
            self.auth = (server.username, server.password)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> Any:
        """Send a request; ``url`` may be a path."""
        kwargs.setdefault("timeout", 60)
        return super().request(method, self.absolute(str(url)), *args, **kwargs)

    def absolute(self, path: str) -> str:
        """The address of a path."""
        if path.startswith("http"):
            return path
        prefix = "" if path.startswith("/api/") else f"/api/v1/{self.server.tenant}"
        return self.base + prefix + path


@contextmanager
def running_server(kestra: KestraVersion = DEFAULT) -> Iterator[Server]:
    """The server that ``KESTRA_TEST_URL`` names, otherwise an embedded engine of that version."""
    if os.environ.get("KESTRA_TEST_URL"):
        yield named_server()
        return
    with Engine.start(kestra=kestra) as engine:
        yield server_of(engine)


def named_server() -> Server:
    """The server that ``KESTRA_TEST_URL`` names, whatever its version."""
    return _described(
        os.environ["KESTRA_TEST_URL"].rstrip("/"),
        os.environ.get("KESTRA_TEST_USERNAME", ""),
        os.environ.get("KESTRA_TEST_PASSWORD", ""),
        os.environ.get("KESTRA_TEST_TOKEN") or None,
        os.environ.get("KESTRA_TEST_TENANT", "main"),
    )


def server_of(engine: Engine) -> Server:
    """An embedded engine, as a server."""
    return _described(engine.url, engine.username, engine.password, None, "main")


def _described(url: str, username: str, password: str, token: str | None, tenant: str) -> Server:
    with requests.Session() as session:
        session.trust_env = urlsplit(url).hostname not in ("127.0.0.1", "localhost")
        answer = session.get(f"{url}/api/v1/configs", timeout=30)
    answer.raise_for_status()
    return Server(url, username, password, token, tenant, answer.json()["version"])
