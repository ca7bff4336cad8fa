"""The kinds, as one run uses them. Each is a row of :class:`Kind` and its package."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kestra_sync.kinds.base import KindContext, Loaded, Reading, ResourceKind, Store, module_of
from kestra_sync.model import (
    Action,
    Base,
    Change,
    Desired,
    Diagnostic,
    Kind,
    Live,
    ResourceId,
    sha256,
)
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.diff import Hunk, diff_flows, unified
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.resources import Content, in_memory
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

_T = TypeVar("_T")

_VERSIONS = 5
"""Number of revisions to search for the last applied source of an edited resource."""


class Kinds:
    """Loads, reads and writes resources that are not flows, if there are any.

    :param tenant: the tenant of the server; ``""`` without a server.
    :param secrets: variables with values of keys must be set.
    :param observer: is notified of the progress of large transfers.
    """

    def __init__(
        self,
        settings: Settings,
        tenant: str = "",
        *,
        secrets: bool = True,
        observer: Observer = SILENT,
    ) -> None:
        self._settings = settings
        names = NamespaceMap(settings.rendering.namespaces)
        self._context = KindContext(settings, tenant, secrets, names.to_server, observer)
        self._made: dict[Kind, ResourceKind] = {}

    def load(self) -> Loaded:
        """Load the resources of all configured kinds from the repository."""
        flows = self._settings.source or self._settings.paths
        paths = {each: self._kind(each).paths() for each in self.configured}
        paths[Kind.FLOW] = frozenset(Path(each).resolve() for each in flows)
        loaded = [
            self._kind(kind).load(frozenset().union(*(paths[k] for k in paths if k is not kind)))
            for kind in self.configured
        ]
        return Loaded(
            {key: value for each in loaded for key, value in each.desired.items()},
            sum(each.files for each in loaded),
            tuple(skipped for each in loaded for skipped in each.skipped),
            tuple(found for each in loaded for found in each.diagnostics),
        )

    def read(
        self,
        client: KestraClient,
        desired: Mapping[ResourceId, Desired],
        bases: Mapping[ResourceId, Base],
    ) -> Reading:
        """Read the kinds of ``desired`` and ``bases``, except flows, from the server.

        :raises KestraError: the server cannot be read.
        """
        live: dict[ResourceId, Live] = {}
        known: dict[ResourceId, Base] = {}
        problems: list[Diagnostic] = []
        for kind in _of(desired, bases):
            reading = self._kind(kind).read(client, _only(desired, kind), _only(bases, kind))
            live.update(reading.live)
            known.update(reading.bases)
            problems.extend(reading.diagnostics)
        return Reading(live, known, tuple(problems))

    def last_applied(
        self, client: KestraClient, bases: Mapping[ResourceId, Base]
    ) -> Mapping[ResourceId, Content]:
        """Return the last applied sources that are among the latest revisions on the server.

        :raises KestraError: the server cannot be read.
        """
        found = {}
        for resource, base in bases.items():
            versions = self._kind(resource.kind).versions(client, resource, current=False)
            for source in islice(versions, _VERSIONS):
                if sha256(source) in base.live_hashes:
                    found[resource] = source
                    break
        return found

    def version(self, client: KestraClient, resource: ResourceId, hash_: str) -> Content | None:
        """Return the revision with this SHA-256, if the server keeps it.

        :raises KestraError: the server cannot be read.
        """
        versions = self._kind(resource.kind).versions(client, resource)
        return next((each for each in versions if sha256(each) == hash_), None)

    def names(self, client: KestraClient, kind: Kind, namespace: str) -> Collection[str]:
        """Return the ids of all resources of a kind in a namespace on the server.

        :raises KestraError: the server cannot be read.
        """
        return self._kind(kind).names(client, namespace)

    def paths(self) -> frozenset[Path]:
        """Return the resolved directories and files of the configured kinds other than flows."""
        return frozenset().union(*(self._kind(each).paths() for each in self.configured))

    def clean(self, client: KestraClient, deleted: Iterable[ResourceId]) -> None:
        """Remove leftovers of deleted resources other than flows from the server.

        :raises KestraError: the server cannot be reached, or refuses.
        """
        deleted = list(deleted)
        for kind in _of(deleted):
            self._kind(kind).clean(client, [each for each in deleted if each.kind is kind])

    def check_reads(
        self, client: KestraClient, flows: Iterable[Desired], known: Collection[ResourceId]
    ) -> tuple[Diagnostic, ...]:
        """Return a warning for each file and key that ``flows`` read but that does not exist.

        Only for configured kinds. The names in a namespace are only requested from the server if
        one is not in Git.

        :param known: the resources in Git.
        :raises KestraError: the server cannot be read.
        """
        kinds = self.configured
        if not kinds:
            return ()
        from kestra_sync.checks.reads import check_reads, reads

        @cache
        def names(kind: Kind, namespace: str) -> frozenset[str]:
            return frozenset(self.names(client, kind, namespace))

        return check_reads(reads(flows, kinds), known, names)

    @property
    def configured(self) -> list[Kind]:
        """The kinds that the settings configure."""
        return [
            kind
            for kind in Kind
            if any(attrgetter(each)(self._settings) for each in kind.traits.settings)
        ]

    def on(self, client: KestraClient) -> KindsOnServer:
        """Bind the kinds to the server that an apply writes to."""
        return KindsOnServer(self, client)

    def store(self, kind: Kind, client: KestraClient) -> Store:
        """Return the store of one kind."""
        return self._kind(kind).store(client)

    def _kind(self, kind: Kind) -> ResourceKind:
        """Return the kind, which is created once per run because it remembers the secrets."""
        if kind not in self._made:
            self._made[kind] = module_of(kind).make(self._context)
        return self._made[kind]


@dataclass(frozen=True)
class KindsOnServer:
    """Reads and writes resources that are not flows, on one server."""

    kinds: Kinds
    client: KestraClient

    def stores(self, resources: Iterable[ResourceId]) -> dict[Kind, Store]:
        """Return the stores of the kinds of ``resources``, except flows."""
        return {kind: self.kinds.store(kind, self.client) for kind in _of(resources)}

    def read_written(
        self, written: Iterable[tuple[Change, int | None]]
    ) -> Mapping[ResourceId, Live]:
        """Read the resources that were written, each with the revision that its write returned.

        :raises KestraError: the server cannot be read.
        """
        desired: dict[ResourceId, Desired] = {}
        bases: dict[ResourceId, Base] = {}
        for change, revision in written:
            hashes = frozenset() if change.after is None else frozenset({sha256(change.after)})
            bases[change.flow_id] = Base(change.path or "", "", hashes, revision)
            if change.desired is not None:
                desired[change.flow_id] = change.desired
        return self.kinds.read(self.client, desired, bases).live


def _of(*resources: Iterable[ResourceId]) -> list[Kind]:
    return sorted({each.kind for some in resources for each in some} - {Kind.FLOW})


def _only(everything: Mapping[ResourceId, _T], kind: Kind) -> dict[ResourceId, _T]:
    return {key: value for key, value in everything.items() if key.kind is kind}


def diff_of(change: Change, *, context: int = 2) -> tuple[Hunk, ...]:
    """Return the diff of an update; empty for creations, deletions and unchanged resources."""
    if change.before is None or change.after is None or change.action is Action.NONE:
        return ()
    return diff_sources(change.flow_id.kind, change.before, change.after, context=context)


def diff_sources(
    kind: Kind, before: Content | None, after: Content | None, *, context: int = 2
) -> tuple[Hunk, ...]:
    """Return the hunks between two sources; a source is ``None`` if it does not exist."""
    if kind is Kind.FLOW:
        return diff_flows(in_memory(before or b""), in_memory(after or b""), context=context)
    return tuple(module_of(kind).diff(before or b"", after or b"", context=context))


def diff_whole(
    kind: Kind, before: Content | None, after: Content | None, *, context: int = 2
) -> tuple[Hunk, ...]:
    """Return the whole source of a created or deleted resource; for flows without headings."""
    if kind is Kind.FLOW:
        return unified(in_memory(before or b""), in_memory(after or b""))
    return diff_sources(kind, before, after, context=context)
