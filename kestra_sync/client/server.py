"""Version and capabilities of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.client.errors import NotFound, UnexpectedAnswer, UnsupportedServer
from kestra_sync.client.request import Request
from kestra_sync.client.transport import Transport

Version = tuple[int, ...]

#: The oldest version that is supported. 1.0 has no list of the keys of all namespaces (404), so
#: the flows owned by other repositories are unknown, and there is no search for kind TEST.
OLDEST: Version = (1, 1)


@dataclass(frozen=True)
class Capabilities:
    """What a server can do.

    :param multipart_validate: several flows can be validated in one request.
    :param actions_paths: kill and resume are ``executions/{id}/actions/kill``; before, the action
        followed the id.
    :param outputs_apart: outputs are under ``outputs/``, and no longer part of the execution.
    :param loop_executions: each iteration of a ``Loop`` is an execution of kind ``LOOP``.
    :param strict_update: an update refuses unknown properties, as a creation does.
    :param drafts: a flow with ``draft: true`` is stored as a revision that does not run.
    :param trigger_change_enables: changing the definition of a trigger that was disabled on the
        server enables it, and runs what was missed; before, it stays disabled.
    :param realtime_reloads: a real-time trigger runs the new revision of its flow at once; before,
        only once its own definition changes.
    """

    multipart_validate: bool
    actions_paths: bool
    outputs_apart: bool
    loop_executions: bool
    strict_update: bool
    drafts: bool
    trigger_change_enables: bool
    realtime_reloads: bool


#: Since which version a server can do it.
SINCE: dict[str, Version] = {
    "multipart_validate": (1, 3),
    "actions_paths": (2, 0),
    "outputs_apart": (2, 0),
    "loop_executions": (2, 0),
    "strict_update": (2, 0),
    "drafts": (2, 0),
    "trigger_change_enables": (2, 0),
    "realtime_reloads": (2, 0),
}


def capabilities_of(version: Version) -> Capabilities:
    """The capabilities of a server of ``version``; one without a number counts as new."""
    return Capabilities(**{name: not version or version >= since for name, since in SINCE.items()})


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
    :raises UnsupportedServer: it is older than :data:`~kestra_sync.client.server.OLDEST`.
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
