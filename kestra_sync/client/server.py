"""Version and capabilities of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.client.capabilities import OLDEST, Capabilities, capabilities_of
from kestra_sync.client.errors import NotFound, UnexpectedAnswer, UnsupportedServer
from kestra_sync.client.request import Request
from kestra_sync.client.transport import Transport


@dataclass(frozen=True)
class ServerInfo:
    """The response of ``/api/v1/configs``.

    :param version: as the server writes it, ``1.3.25``.
    :param version_tuple: its numbers; ``()`` if it has none, which is taken for a new one.
    :param edition: ``OSS`` or ``EE``.
    """

    version: str
    version_tuple: tuple[int, ...]
    edition: str
    system_namespace: str
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def at_least(self, *version: int) -> bool:
        """Whether the server is of this version or newer."""
        return not self.version_tuple or self.version_tuple >= version

    @property
    def can(self) -> Capabilities:
        """What the server can do."""
        return capabilities_of(self.version_tuple)


def parse_version(text: str) -> tuple[int, ...]:
    """``(1, 3, 25)`` of ``v1.3.25-rc1``."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def read_server_info(transport: Transport) -> ServerInfo:
    """Ask the server. It answers without credentials.

    :raises UnexpectedAnswer: there is something else at this URL.
    :raises UnsupportedServer: it is older than :data:`~kestra_sync.client.capabilities.OLDEST`.
    """
    try:
        data = transport.send(Request("GET", "/api/v1/configs")).object()
    except NotFound:
        raise UnexpectedAnswer(
            f"{transport.url} does not look like a Kestra server",
            remedy="set the URL without /api/v1 or /ui",
        ) from None
    version = data.get("version")
    if not isinstance(version, str):
        raise UnexpectedAnswer(
            f"{transport.url} does not look like a Kestra server: /api/v1/configs has no version"
        )
    info = ServerInfo(
        version=version,
        version_tuple=parse_version(version),
        edition=str(data.get("edition") or "OSS"),
        system_namespace=str(data.get("systemNamespace") or "system"),
        raw=data,
    )
    if not info.at_least(*OLDEST):
        raise UnsupportedServer(
            f"{transport.url} runs Kestra {version}; kestra-sync needs Kestra 1.1 or newer",
            remedy="upgrade the server; Kestra supports versions 1.3 and 2.0",
        )
    return info
