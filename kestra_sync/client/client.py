"""The client, the entry point to all calls, and the version and capabilities of the server."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from kestra_sync.client.connection import Timeouts
from kestra_sync.client.credentials import resolve
from kestra_sync.client.errors import NotFound, UnexpectedAnswer, UnsupportedServer
from kestra_sync.client.flows import Flows
from kestra_sync.client.kv import Kv
from kestra_sync.client.login import GENERAL, LoginScope
from kestra_sync.client.request import Request
from kestra_sync.client.retry import Backoff
from kestra_sync.client.transport import Transport
from kestra_sync.configured import Connection
from kestra_sync.model import Target
from kestra_sync.version import __version__

if TYPE_CHECKING:
    from kestra_sync.client.executions import Executions
    from kestra_sync.client.files import Files
    from kestra_sync.client.logs import Logs
    from kestra_sync.client.triggers import Triggers


Version = tuple[int, ...]

#: The oldest version that is supported. 1.0 has no list of the keys of all namespaces (404), so
#: the flows owned by other repositories are unknown, and there is no search for kind TEST.
OLDEST: Version = (1, 1)


@dataclass(frozen=True)
class Capabilities:
    """The capabilities of a server.

    :param multipart_validate: several flows can be validated in one request.
    :param actions_paths: kill and resume are ``executions/{id}/actions/kill``; in older versions
        the action follows the id.
    :param outputs_apart: outputs are under ``outputs/`` instead of part of the execution.
    :param loop_executions: each iteration of a ``Loop`` is an execution of kind ``LOOP``.
    :param strict_update: an update rejects unknown properties, as a creation does.
    :param drafts: a flow with ``draft: true`` is stored as a revision that does not run.
    :param trigger_change_enables: changing the definition of a trigger that was disabled on the
        server enables it, and runs what was missed; in older versions it stays disabled.
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


#: Capability → the first version that has it.
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
    """Return the capabilities of ``version``; without a number it counts as the latest."""
    return Capabilities(**{name: not version or version >= since for name, since in SINCE.items()})


@dataclass(frozen=True)
class ServerInfo:
    """The response of ``/api/v1/configs``.

    :param version: as the server writes it, ``1.3.25``.
    :param version_tuple: its numbers; ``()`` if it has none, which counts as the latest.
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
    """Parse ``v1.3.25-rc1`` to ``(1, 3, 25)``."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def read_server_info(transport: Transport) -> ServerInfo:
    """Request version and edition, which needs no credentials.

    :raises UnexpectedAnswer: the URL is not that of a Kestra server.
    :raises UnsupportedServer: it is older than :data:`~kestra_sync.client.client.OLDEST`.
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


T = TypeVar("T")
R = TypeVar("R")


class KestraClient:
    """A client for one tenant of a Kestra server. Safe to share between threads.

    Arguments that are not given come from the environment (``KESTRA_API_URL``, ``KESTRA_TOKEN`` or
    ``KESTRA_USERNAME`` and ``KESTRA_PASSWORD``, ``KESTRA_TENANT``), then from ``env_file``.

    ::

        with KestraClient() as kestra:
            live = kestra.flows.create(Path("hello.yaml").read_bytes())
            kestra.executions.create(live.flow_id)

    :param timeout: seconds to wait for a response, or a pair: seconds to connect and to wait.
    :param retries: how many times a failed read is retried.
    :param verify: whether to verify certificates, or the path of a CA bundle.
    :param parallelism: maximum number of concurrent requests, not counting event streams.
    :param login: the environment whose credentials are used.
    :param user_agent_suffix: added to ``User-Agent``, for the server's log.
    :raises UsageError: the URL is missing, or a setting is invalid. Nothing is sent yet.
    """

    _shared: ClassVar[KestraClient | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        url: str | None = None,
        *,
        tenant: str | None = None,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        env_file: str | os.PathLike[str] | None = ".env",
        timeout: float | tuple[float, float] = (10.0, 60.0),
        retries: int = 3,
        verify: bool | str = True,
        user_agent_suffix: str | None = None,
        backoff: Backoff | None = None,
        parallelism: int | None = None,
        login: LoginScope = GENERAL,
    ) -> None:
        credentials = resolve(
            scope=login,
            url=url,
            tenant=tenant,
            token=token,
            username=username,
            password=password,
            env_file=env_file,
        )
        suffix = f" {user_agent_suffix}" if user_agent_suffix else ""
        self.url = credentials.url
        self.tenant = credentials.tenant
        self._transport = Transport(
            credentials,
            user_agent=f"kestra-sync/{__version__}{suffix}",
            timeouts=Timeouts(*timeout) if isinstance(timeout, tuple) else Timeouts(10.0, timeout),
            backoff=backoff or Backoff(retries=retries),
            verify=verify,
            parallelism=parallelism,
        )
        self._info: ServerInfo | None = None
        self._info_lock = threading.Lock()
        self.flows = Flows(self._transport, self.tenant, self.server_info)
        self.kv = Kv(self._transport, self.tenant)

    # Imported on first use: a plan needs none of these, and should not wait for the import.

    @cached_property
    def executions(self) -> Executions:
        """Runs of flows: start, follow, kill, delete."""
        from kestra_sync.client.executions import Executions
        from kestra_sync.client.follow import PollInterval

        pace = PollInterval(sleep=self._transport.backoff.sleep)
        return Executions(self._transport, self.tenant, self.server_info, pace)

    @cached_property
    def logs(self) -> Logs:
        """Logs of executions."""
        from kestra_sync.client.follow import PollInterval
        from kestra_sync.client.logs import Logs

        pace = PollInterval(sleep=self._transport.backoff.sleep)
        return Logs(
            self._transport, self.tenant, lambda known: self.executions.get(known).is_final, pace
        )

    @cached_property
    def files(self) -> Files:
        """The files of namespaces."""
        from kestra_sync.client.files import Files

        return Files(self._transport, self.tenant)

    @cached_property
    def triggers(self) -> Triggers:
        """The run-time states of triggers."""
        from kestra_sync.client.triggers import Triggers

        return Triggers(self._transport, self.tenant)

    @classmethod
    def shared(cls) -> KestraClient:
        """The shared client of this process, created from the environment on first use."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def server_info(self) -> ServerInfo:
        """Version and edition of the server; requested once.

        :raises UnsupportedServer: it is older than 1.1.
        :raises UnexpectedAnswer: the URL is not that of a Kestra server.
        """
        with self._info_lock:
            if self._info is None:
                self._info = read_server_info(self._transport)
            return self._info

    def map(self, work: Callable[[T], R], items: Iterable[T], max_parallel: int = 8) -> list[R]:
        """Return the results of ``work``, which sends requests: at most ``max_parallel`` at a time.

        ``parallelism`` of the client still applies. The first failure is raised.
        """
        return self._transport.map(work, items, max_parallel)

    def close(self) -> None:
        """Close the connections. The client can still be used: it opens new ones."""
        self._transport.close()

    def __enter__(self) -> KestraClient:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<KestraClient {self.url} tenant={self.tenant}>"


def connect(connection: Connection, parallelism: int | None = None) -> KestraClient:
    """Create a client for the server of ``connection``; nothing is sent yet.

    :param parallelism: maximum number of concurrent requests.

    :raises UsageError: without a URL, or with credentials that make no sense.
    """
    return KestraClient(
        connection.url,
        tenant=connection.tenant,
        username=connection.username,
        env_file=connection.env_file,
        timeout=connection.timeout,
        parallelism=parallelism,
        login=LoginScope(connection.environment, connection.token_env, connection.configured),
    )


def target_of(client: KestraClient, environment: str | None = None) -> Target:
    """Return the server and tenant that plans and inventories are bound to."""
    return Target(client.url, client.tenant, environment)
