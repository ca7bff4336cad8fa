"""The client, the entry point to all calls."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from kestra_sync.client.credentials import resolve
from kestra_sync.client.flows import Flows
from kestra_sync.client.kv import Kv
from kestra_sync.client.retry import Backoff
from kestra_sync.client.scoped import GENERAL, LoginScope
from kestra_sync.client.server import ServerInfo, read_server_info
from kestra_sync.client.transport import Timeouts, Transport
from kestra_sync.version import __version__

if TYPE_CHECKING:
    from kestra_sync.client.executions import Executions
    from kestra_sync.client.files import Files
    from kestra_sync.client.logs import Logs
    from kestra_sync.client.triggers import Triggers


T = TypeVar("T")
R = TypeVar("R")


class KestraClient:
    """Talks to one tenant of one Kestra. Safe to share between threads.

    What is not given comes from the environment (``KESTRA_API_URL``, ``KESTRA_TOKEN`` or
    ``KESTRA_USERNAME`` and ``KESTRA_PASSWORD``, ``KESTRA_TENANT``), then from ``env_file``.

    ::

        with KestraClient() as kestra:
            live = kestra.flows.create(Path("hello.yaml").read_bytes())
            kestra.executions.create(live.flow_id)

    :param timeout: seconds to wait for an answer, or those to connect and those to wait.
    :param retries: how often a failed read is repeated.
    :param verify: check certificates; or the path of the authorities to trust.
    :param parallelism: maximum number of concurrent requests, event streams not counted.
    :param login: whose credentials of the environment are used: those of one environment.
    :param user_agent_suffix: added to ``User-Agent``, for the server's log.
    :raises UsageError: no URL, or settings that make no sense. Nothing is sent yet.
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

    # Imported on first use: a plan needs none of these, and would wait for them.

    @cached_property
    def executions(self) -> Executions:
        """Runs of flows: start, follow, kill, delete."""
        from kestra_sync.client.executions import Executions
        from kestra_sync.client.follow import PollInterval

        pace = PollInterval(sleep=self._transport.backoff.sleep)
        return Executions(self._transport, self.tenant, self.server_info, pace)

    @cached_property
    def logs(self) -> Logs:
        """What executions have logged."""
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
        """The one client of this process, from the environment, made on first use."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def server_info(self) -> ServerInfo:
        """Version and edition of the server, asked for once.

        :raises UnsupportedServer: it is older than 1.1.
        :raises UnexpectedAnswer: there is no Kestra at this URL.
        """
        with self._info_lock:
            if self._info is None:
                self._info = read_server_info(self._transport)
            return self._info

    def map(self, work: Callable[[T], R], items: Iterable[T], most: int = 8) -> list[R]:
        """The results of ``work``, which sends requests: ``most`` at once at most.

        ``parallelism`` of the client still applies. The first failure is raised.
        """
        return self._transport.map(work, items, most)

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
