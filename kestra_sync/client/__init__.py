"""The client of the Kestra API, and its internals.

Imports on use, so that :mod:`kestra_sync.client.errors` stays cheap to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient
    from kestra_sync.configured import Connection
    from kestra_sync.model import Target


def connect(connection: Connection, parallelism: int | None = None) -> KestraClient:
    """A client for the server of ``connection``; nothing is sent yet.

    :param parallelism: maximum number of concurrent requests.

    :raises UsageError: without a URL, or with credentials that make no sense.
    """
    from kestra_sync.client.client import KestraClient
    from kestra_sync.client.scoped import LoginScope

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
    """What plans and inventories are bound to."""
    from kestra_sync.model import Target

    return Target(client.url, client.tenant, environment)
