"""Sends requests that do not depend on the files while the files are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import target_of
from kestra_sync.commands.ownership import Ownership, read_ownership
from kestra_sync.model import Scope
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient
    from kestra_sync.client.server import ServerInfo


@dataclass(frozen=True)
class Prefetch:
    """Answers on their way; each is called at most once, and waits.

    An error is raised where the answer is asked for, and nowhere if it never is.

    :param ownership: what we own, for the scope; ``None`` for a run without a name.
    :param exported: every source of the scope; ``None`` if only the files tell the scope.
    """

    server_info: Callable[[], ServerInfo]
    ownership: Callable[[Scope], Ownership | None]
    exported: Callable[[], tuple[bytes, ...]] | None


def prefetch(client: KestraClient, settings: Settings) -> Prefetch:
    """Send the requests, and do not wait."""
    from kestra_sync.client.parallel import in_background

    def read(scope: Scope) -> Ownership | None:
        if not settings.name:
            return None
        target = target_of(client, settings.environment)
        return read_ownership(client.kv, settings, scope, target)

    scope = settings.scope
    if scope is None:
        return Prefetch(in_background(client.server_info), read, None)
    # The longest first: the server works on it while the others come and go.
    exported = in_background(lambda: client.flows.export(scope))
    owned = in_background(lambda: read(scope)) if settings.name else None
    return Prefetch(
        in_background(client.server_info),
        read if owned is None else lambda _scope: owned(),
        exported,
    )
