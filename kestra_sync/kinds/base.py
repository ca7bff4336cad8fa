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

    def overwrote(
        self, resource: ResourceId, revision: int, before: Content, ours: Content
    ) -> bool:
        """Whether our update, now ``revision``, replaced something else than ``before``.

        That is for kinds whose updates cannot be told by the revision that was read right before;
        by default there is nothing to find out.
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

    :param bases: the bases that were given, completed by hashes that mean the same.
    """

    live: Mapping[ResourceId, Live]
    bases: Mapping[ResourceId, Base]
    diagnostics: tuple[Diagnostic, ...] = ()


class ResourceKind(Protocol):
    """A kind other than flows, with what its configuration says. Kinds inherit the defaults."""

    def load(self, apart: Collection[Path] = ()) -> Loaded:
        """Read the repository. Nothing is asked of a server.

        :param apart: resolved paths of flows and of other kinds.
        """

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

    def names(self, client: KestraClient, namespace: str) -> Collection[str]:
        """The ids of everything that a namespace has on the server.

        :raises KestraError: the server cannot be read.
        """

    def paths(self) -> frozenset[Path]:
        """The resolved directories and files that are configured to hold this kind."""

    def versions(
        self, client: KestraClient, resource: ResourceId, *, current: bool = True
    ) -> Iterator[Content]:
        """The sources that the server keeps, the latest first. By default it keeps none.

        :param current: begin with the one that counts.
        :raises KestraError: the server cannot be read.
        """
        del client, resource, current
        return iter(())

    def clean(self, client: KestraClient, gone: Iterable[ResourceId]) -> None:
        """Remove what deleted resources have left; see :attr:`KindTraits.remains`."""
        del client, gone


@dataclass(frozen=True)
class KindContext:
    """What a kind is made from, for one run.

    :param tenant: the tenant of the server; ``""`` if none is asked.
    :param secrets: the variables that values are taken from must be set.
    :param to_server: the name on the server of a namespace in the files.
    :param observer: is notified of the bytes of large contents.
    """

    settings: Settings
    tenant: str = ""
    secrets: bool = True
    to_server: Callable[[str], str] = str
    observer: Observer = SILENT


class KindModule(Protocol):
    """The module ``kind`` in the package of a kind."""

    def make(self, context: KindContext) -> ResourceKind:
        """The kind, as the settings configure it."""

    def diff(self, before: Content, after: Content, *, context: int = 2) -> Sequence[Hunk]:
        """What a person is shown of the difference."""


def module_of(kind: Kind) -> KindModule:
    """The module of a kind, imported on first use."""
    return cast("KindModule", import_module(f"kestra_sync.kinds.{kind.traits.package}.kind"))
