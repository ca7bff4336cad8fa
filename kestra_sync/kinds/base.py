"""The protocols of a kind of resource, through which plan and apply use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from kestra_sync.client.client import KestraClient
from kestra_sync.model import Base, Desired, Diagnostic, Kind, Live, ResourceId, Skipped
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.diff import Hunk
from kestra_sync.resources import Content
from kestra_sync.settings import Settings


class Store(Protocol):
    """Reads and writes single resources on the server.

    The *source* that it reads and writes is what plans compare: the content of a file, or the
    canonical text of a key (:mod:`kestra_sync.kinds.kv.values`).
    """

    @property
    def delete_twice(self) -> bool:
        """Whether it is safe to delete a resource that no longer exists."""

    def get(self, resource: ResourceId, *, revision: int | None = None) -> Live:
        """Read a resource from the server.

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

    def overwrote(
        self, resource: ResourceId, revision: int, before: Content, ours: Content
    ) -> bool:
        """Return whether our update, now ``revision``, replaced something other than ``before``.

        For kinds where the revision that was read before does not show it; false by default.
        """
        del resource, revision, before, ours
        return False

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

    :param bases: the bases that were passed, with additional hashes of the same content.
    """

    live: Mapping[ResourceId, Live]
    bases: Mapping[ResourceId, Base]
    diagnostics: tuple[Diagnostic, ...] = ()


class ResourceKind(Protocol):
    """A configured kind other than flows. Kinds inherit the default implementations."""

    def load(self, excluded: Collection[Path] = ()) -> Loaded:
        """Read the repository, without a server.

        :param excluded: resolved paths of flows and of other kinds.
        """

    def read(
        self,
        client: KestraClient,
        desired: Mapping[ResourceId, Desired],
        bases: Mapping[ResourceId, Base],
    ) -> Reading:
        """Read the namespaces of ``desired`` and ``bases`` from the server.

        :raises KestraError: the server cannot be read.
        """

    def store(self, client: KestraClient) -> Store:
        """Return the store that reads and writes single resources."""

    def names(self, client: KestraClient, namespace: str) -> Collection[str]:
        """Return the ids of all resources in a namespace on the server.

        :raises KestraError: the server cannot be read.
        """

    def paths(self) -> frozenset[Path]:
        """Return the resolved directories and files that are configured for this kind."""

    def versions(
        self, client: KestraClient, resource: ResourceId, *, current: bool = True
    ) -> Iterator[Content]:
        """Yield the revisions that the server keeps, latest first. By default none.

        :param current: include the current revision.
        :raises KestraError: the server cannot be read.
        """
        del client, resource, current
        return iter(())

    def clean(self, client: KestraClient, deleted: Iterable[ResourceId]) -> None:
        """Remove leftovers of deleted resources; see :attr:`KindTraits.remains`."""
        del client, deleted


@dataclass(frozen=True)
class KindContext:
    """The parameters of a kind, for one run.

    :param tenant: the tenant of the server; ``""`` without a server.
    :param secrets: variables with values must be set.
    :param to_server: the name on the server of a namespace in the files.
    :param observer: is notified of the progress of large transfers.
    """

    settings: Settings
    tenant: str = ""
    secrets: bool = True
    to_server: Callable[[str], str] = str
    observer: Observer = SILENT


class KindModule(Protocol):
    """The module ``kind`` in the package of a kind."""

    def make(self, context: KindContext) -> ResourceKind:
        """Create the kind according to the settings."""

    def diff(self, before: Content, after: Content, *, context: int = 2) -> Sequence[Hunk]:
        """Return the difference as it is displayed."""


def module_of(kind: Kind) -> KindModule:
    """Return the module of a kind, imported on first use."""
    return cast("KindModule", import_module(f"kestra_sync.kinds.{kind.traits.package}.kind"))
