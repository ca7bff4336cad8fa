"""What can be asked of the server before the files are read, is asked while they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.commands.connect import target_of
from kestra_sync.commands.ownership import Ownership, read_ownership
from kestra_sync.model import FlowId, Live, Scope
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.kestra.client import KestraClient
    from kestra_sync.kestra.server import ServerInfo
    from kestra_sync.kestra.values import FlowSummary
    from kestra_sync.live.snapshot import FlowReads


@dataclass(frozen=True)
class Early:
    """Answers that are on their way; to call one is to wait for it.

    An error is raised where the answer is asked for, and nowhere if it never is.

    :param ownership: ``None`` if nothing is owned, or if only the files tell where that is kept.
    :param sources: ``None`` if only the files tell the scope.
    """

    info: Callable[[], ServerInfo]
    ownership: Callable[[], Ownership] | None
    sources: Callable[[], tuple[bytes, ...]] | None


def begin(client: KestraClient, settings: Settings) -> Early:
    """Ask, and do not wait."""
    from kestra_sync.kestra.parallel import in_background

    scope = settings.scope
    if scope is None:
        return Early(in_background(client.server_info), None, None)
    # The longest first: the server works on it while the others come and go.
    sources = in_background(lambda: client.flows.export(scope))
    owned = None
    if settings.name:
        target = target_of(client, settings.environment)
        owned = in_background(lambda: read_ownership(client.kv, settings, scope, target))
    return Early(in_background(client.server_info), owned, sources)


class EarlyExport:
    """The reads of ``flows``, the first export of ``scope`` being under way already."""

    def __init__(
        self, flows: FlowReads, scope: Scope, sources: Callable[[], tuple[bytes, ...]]
    ) -> None:
        self._flows = flows
        self._scope = scope
        self._sources: Callable[[], tuple[bytes, ...]] | None = sources

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        """The sources: those that are on their way, if it is they that are wanted."""
        sources, self._sources = self._sources, None
        if sources is None or scope != self._scope:
            return self._flows.export(scope)
        return sources()

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]:
        """As ever."""
        return self._flows.search(scope)

    def namespaces(self) -> tuple[str, ...]:
        """As ever."""
        return self._flows.namespaces()

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live:
        """As ever."""
        return self._flows.get(flow_id, revision=revision)

    def revisions(self, flow_id: FlowId) -> tuple[Live, ...]:
        """As ever."""
        return self._flows.revisions(flow_id)
