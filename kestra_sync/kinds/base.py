"""The protocol of a kind of resource, through which plan and apply use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kestra_sync.client.client import KestraClient
from kestra_sync.content import Content
from kestra_sync.model import Base, Desired, Diagnostic, Kind, Live, ResourceId, Skipped
from kestra_sync.plan.diff import Hunk


class Store(Protocol):
    """Reads and writes single resources on the server.

    What it is given and gives back as a *source* is what plans compare: the content of a file,
    the canonical text of a key (:mod:`kestra_sync.kinds.kv.values`).
    """

    @property
    def delete_twice(self) -> bool:
        """Whether deleting what is no longer there is harmless."""

    def get(self, resource: ResourceId, *, revision: int | None = None) -> Live:
        """What the server has.

        :raises NotFound: it does not exist.
        """

    def create(self, resource: ResourceId, source: Content) -> Live:
        """Create it.

        :raises AlreadyExists: it exists.
        :raises UnknownOutcome: it may have been created or not.
        """

    def update(self, resource: ResourceId, source: Content) -> Live:
        """Replace it.

        :raises UnknownOutcome: it may have been written or not.
        """

    def delete(self, resource: ResourceId) -> None:
        """Delete it.

        :raises NotFound: it does not exist.
        :raises UnknownOutcome: it may have been deleted or not.
        """


@dataclass(frozen=True)
class Loaded:
    """What the repository contains of one kind.

    :param files: how many files were read.
    """

    desired: Mapping[ResourceId, Desired] = field(default_factory=dict)
    files: int = 0
    skipped: tuple[Skipped, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What the server contains of one kind.

    :param bases: the bases that were given, completed by hashes that mean the same.
    """

    live: Mapping[ResourceId, Live]
    bases: Mapping[ResourceId, Base]
    diagnostics: tuple[Diagnostic, ...] = ()


class ResourceKind(Protocol):
    """One kind beside flows, with what its configuration says."""

    @property
    def kind(self) -> Kind:
        """Which one."""

    def load(self) -> Loaded:
        """Read the repository. Nothing is asked of a server."""

    def read(
        self,
        client: KestraClient,
        desired: Mapping[ResourceId, Desired],
        bases: Mapping[ResourceId, Base],
    ) -> Reading:
        """What the server has in the namespaces of ``desired`` and ``bases``.

        :raises KestraError: the server cannot be read.
        """

    def store(self, client: KestraClient) -> Store:
        """Its reads and writes."""

    def diff(self, before: Content, after: Content, *, context: int) -> Sequence[Hunk]:
        """What a person is shown of the difference."""
