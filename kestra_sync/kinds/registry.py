"""The kinds beside flows, as one run uses them. To add a kind, add it to :func:`_make`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kestra_sync.configured import FilesFolder
from kestra_sync.kinds.base import Loaded, Reading, ResourceKind, Store
from kestra_sync.model import Base, Change, Desired, Diagnostic, Kind, Live, ResourceId, sha256
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.safe.paths import fixed_part, is_there
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

_T = TypeVar("_T")


class Kinds:
    """Loads, reads and writes what is not a flow. Imports and asks nothing where there is none.

    :param tenant: the tenant of the server; ``""`` if none is asked.
    :param secrets: the variables that keys are taken from must be set.
    """

    def __init__(self, settings: Settings, tenant: str = "", *, secrets: bool = True) -> None:
        self._settings = settings
        self._tenant = tenant
        self._names = NamespaceMap(settings.rendering.namespaces)
        self._secrets = secrets
        self._made: dict[Kind, ResourceKind] = {}

    def load(self) -> Loaded:
        """What the repository has of every kind that is configured."""
        loaded = [self._kind(each).load() for each in self._configured()]
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
        """What the server has of the kinds of ``desired`` and ``bases``, flows left out.

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
    ) -> Mapping[ResourceId, bytes]:
        """What was applied last, of what the server keeps versions: files, not keys.

        :raises KestraError: the server cannot be read.
        """
        files = _only(bases, Kind.FILE)
        if not files:
            return {}
        from kestra_sync.kinds.files.kind import FilesKind

        return FilesKind().last_applied(client, files)

    def check_reads(
        self, client: KestraClient, flows: Iterable[Desired], known: Collection[ResourceId]
    ) -> tuple[Diagnostic, ...]:
        """A warning for each file and key that ``flows`` read and that is nowhere.

        Only for the kinds that are configured. The server is asked for the names in a namespace
        where Git does not have one of them.

        :param known: what Git has.
        :raises KestraError: the server cannot be read.
        """
        kinds = self._configured()
        if not kinds:
            return ()
        from kestra_sync.checks.reads import check_reads, reads

        @cache
        def names(kind: Kind, namespace: str) -> frozenset[str]:
            if kind is Kind.FILE:
                return frozenset(client.files.names(namespace))
            return frozenset(each.key for each in client.kv.list(namespace))

        return check_reads(reads(flows, kinds), known, names)

    def _configured(self) -> list[Kind]:
        keys = self._settings.kv or self._settings.rendering.kv
        given = ((Kind.FILE, self._settings.files), (Kind.KV, keys))
        return [kind for kind, paths in given if paths]

    def on(self, client: KestraClient) -> KindsOnServer:
        """The same with the server that an apply writes to."""
        return KindsOnServer(self, client)

    def store(self, kind: Kind, client: KestraClient) -> Store:
        """The reads and writes of one kind."""
        return self._kind(kind).store(client)

    def _kind(self, kind: Kind) -> ResourceKind:
        """The same object for the whole run: it remembers the secrets."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def _make(self, kind: Kind) -> ResourceKind:
        if kind is Kind.FILE:
            from kestra_sync.kinds.files.kind import FilesKind

            flows = self._settings.source or self._settings.paths
            apart = {*map(Path, flows), *beside_flows((), self._settings.kv)}
            return FilesKind(
                tuple(filter(self._is_read, self._settings.files)),
                self._names.to_server,
                frozenset(each.resolve() for each in apart),
            )
        from kestra_sync.kinds.kv.kind import KvKind

        return KvKind(
            tuple(filter(self._has_keys, self._settings.kv)),
            self._tenant,
            secrets=self._secrets,
            to_server=self._names.to_server,
            refused=frozenset(filter(None, [self._settings.connection.token_env])),
            overrides=self._settings.rendering.kv,
            config_path=self._settings.rendering.path,
        )

    def _is_read(self, folder: FilesFolder) -> bool:
        """Whether a folder is read; one that does not exist may be empty."""
        return not self._settings.new_paths or is_there(fixed_part(folder.path))

    def _has_keys(self, pattern: str) -> bool:
        from kestra_sync.kinds.kv.load import files_of

        return not self._settings.new_paths or bool(files_of(pattern))


@dataclass(frozen=True)
class KindsOnServer:
    """Reads and writes what is not a flow, on one server."""

    kinds: Kinds
    client: KestraClient

    def stores(self, resources: Iterable[ResourceId]) -> dict[Kind, Store]:
        """The stores of the kinds of ``resources``, flows left out."""
        return {kind: self.kinds.store(kind, self.client) for kind in _of(resources)}

    def read_written(
        self, written: Iterable[tuple[Change, int | None]]
    ) -> Mapping[ResourceId, Live]:
        """What the server has where changes were written, each with the revision that it got.

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


def beside_flows(files: Sequence[FilesFolder], kv: Sequence[str]) -> frozenset[Path]:
    """The resolved directories and files that are configured to hold no flows."""
    found: set[str] = set()
    if files:
        from kestra_sync.kinds.files.load import roots

        found.update(each.path for each in files if "*" not in each.path)
        found.update(path for folder in files for path, _ in roots(folder))
    if kv:
        from kestra_sync.kinds.kv.load import files_of

        found.update(path for pattern in kv for path in files_of(pattern))
    return frozenset(Path(path).resolve() for path in found)


def _of(*resources: Iterable[ResourceId]) -> list[Kind]:
    return sorted({each.kind for some in resources for each in some} - {Kind.FLOW})


def _only(everything: Mapping[ResourceId, _T], kind: Kind) -> dict[ResourceId, _T]:
    return {key: value for key, value in everything.items() if key.kind is kind}
