"""What a run is asked to do: plain values, whoever they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from kestra_sync.model import Scope
from kestra_sync.plan.compare import OnDrift
from kestra_sync.plan.guards import DELETE_LIMIT, UPDATE_LIMIT, Limit


class Prune(str, Enum):
    """Which flows that Git does not have are deleted."""

    NONE = "none"
    OWNED = "owned"
    SCOPE = "scope"


@dataclass(frozen=True)
class Connection:
    """Where the server is. What is ``None`` comes from the environment or the ``.env`` file.

    Secrets are not in here: the client takes them from the environment or a file by itself.

    :param timeout: seconds to wait for an answer.
    """

    url: str | None = None
    tenant: str | None = None
    username: str | None = None
    env_file: str | None = ".env"
    timeout: float = 30.0


@dataclass(frozen=True)
class Settings:
    """Everything the commands need beyond the connection.

    :param paths: the directories and files to read.
    :param name: the name of the inventory; ``None`` works without one, in two ways: nothing is
        owned, so nothing is pruned.
    :param inventory_namespace: whose KV store holds the inventory; by default the first
        namespace of the scope.
    :param scope: ``None`` takes exactly the namespaces that the files name.
    :param partial: ``paths`` are only part of the source that the configuration names.
    :param only: patterns of flows (``namespace/id``, with ``*``) to look at; all if empty.
    :param exclude: patterns of flows not to look at.
    :param strict: YAML files that are no flows are errors.
    :param parallelism: how many requests are under way at once.
    :param protect: namespaces that nothing is done to, unless the scope names them.
    :param take_over: an inventory, or flows, of another repository are ours from now on.
    """

    paths: tuple[str, ...] = ("flows",)
    name: str | None = None
    environment: str | None = None
    inventory_namespace: str | None = None
    scope: Scope | None = None
    partial: bool = False
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    strict: bool = False
    parallelism: int = 8
    prune: Prune = Prune.OWNED
    on_drift: OnDrift = OnDrift.REVERT
    re_enable: bool = False
    ignore: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    delete_limit: Limit = DELETE_LIMIT
    update_limit: Limit = UPDATE_LIMIT
    allow_large: bool = False
    allow_skipped_delete: bool = False
    take_over: bool = False
    connection: Connection = field(default_factory=Connection)
