"""What a run is asked to do: plain values, whoever they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from kestra_sync.model import Scope
from kestra_sync.plan.compare import OnDrift


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
    :param scope: ``None`` takes exactly the namespaces that the files name.
    :param strict: YAML files that are no flows are errors.
    :param parallelism: how many requests are under way at once.
    """

    paths: tuple[str, ...] = ("flows",)
    scope: Scope | None = None
    strict: bool = False
    parallelism: int = 8
    prune: Prune = Prune.OWNED
    on_drift: OnDrift = OnDrift.REVERT
    re_enable: bool = False
    ignore: tuple[str, ...] = ()
    connection: Connection = field(default_factory=Connection)
