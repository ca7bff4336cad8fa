"""The kind ``kv``: reads, writes and displays key-value pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from kestra_sync.client.client import KestraClient
from kestra_sync.client.errors import AlreadyExists, Gone, KestraError, NotCredible, NotFound
from kestra_sync.client.kv import Kv, KvEntry, KvListed
from kestra_sync.kinds.base import KindContext, Loaded, Reading, ResourceKind, Store
from kestra_sync.kinds.kv.load import files_of, load
from kestra_sync.kinds.kv.values import KvValue, from_server, masked, source_of, value_of
from kestra_sync.model import (
    Base,
    Desired,
    Document,
    Flow,
    Kind,
    KvOverride,
    Live,
    ResourceId,
    sha256,
)
from kestra_sync.plan.diff import Hunk, LineMark, unified
from kestra_sync.resources import Content, in_memory

_CLOCK = 2
"""Tolerance in seconds between a measured time to live and the one that was sent."""


class MaskedValues:
    """The values of masked sources, and the known sources of each key; only kept in memory."""

    def __init__(self) -> None:
        self._values: dict[bytes, KvValue] = {}
        self._sources: dict[ResourceId, set[bytes]] = {}

    def hide(self, value: KvValue, salt: str) -> bytes:
        """Return the source of ``value``, and remember the value if it is masked."""
        source = source_of(value, salt)
        if value.masked:
            self._values[source] = value
        return source

    def value(self, source: bytes) -> KvValue:
        """Return the value of a source from :meth:`hide`."""
        return value_of(source) or self._values[source]

    def saw(self, resource: ResourceId, source: bytes) -> None:
        """Remember that one side of the plan has this source."""
        self._sources.setdefault(resource, set()).add(source)

    def seen(self, resource: ResourceId) -> frozenset[bytes]:
        """Return the known sources of a key."""
        return frozenset(self._sources.get(resource, ()))


@dataclass(frozen=True)
class KvKind(ResourceKind):
    """Key-value pairs, of the files in the configuration.

    :param patterns: the files, as the user would write them in the working directory.
    :param salt: distinguishes the tenant from others in hashes of secrets.
    :param secrets: a variable that is not set is an error; otherwise its key is left out.
    :param to_server: the name on the server of a namespace in the files.
    :param refused: variables that must not be used as values, besides known credentials.
    :param overrides: values from the configuration that replace those in the files.
    :param config_path: the configuration with ``overrides``.
    """

    patterns: tuple[str, ...] = ()
    salt: str = ""
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    secrets: bool = True
    to_server: Callable[[str], str] = field(default=str, repr=False)
    refused: frozenset[str] = frozenset()
    overrides: tuple[KvOverride, ...] = ()
    config_path: str = ""
    vault: MaskedValues = field(default_factory=MaskedValues, repr=False, compare=False)

    def paths(self) -> frozenset[Path]:
        found = {path for pattern in self.patterns for path in files_of(pattern)}
        return frozenset(Path(each).resolve() for each in found)

    def names(self, client: KestraClient, namespace: str) -> Collection[str]:
        return [each.key for each in client.kv.list(namespace)]

    def load(self, excluded: Collection[Path] = ()) -> Loaded:
        """Load all keys that the files declare."""
        del excluded
        found = load(
            self.patterns,
            self.environ,
            secrets=self.secrets,
            refused=self.refused,
            overrides=self.overrides,
            config_path=self.config_path,
        )
        desired = {}
        for name, each in found.keys.items():
            resource = replace(name, namespace=self.to_server(name.namespace))
            source = self._hide(resource, each.value)
            self.vault.saw(resource, source)
            document = Document(each.path, 0, each.position.line, source)
            hidden = each.value.masked
            desired[resource] = Desired(Flow(resource, document), source, masked=hidden)
        diagnostics = sorted(found.diagnostics, key=lambda it: it.sort_key)
        return Loaded(desired, found.files, diagnostics=tuple(diagnostics))

    def read(
        self,
        client: KestraClient,
        desired: Mapping[ResourceId, Desired],
        bases: Mapping[ResourceId, Base],
    ) -> Reading:
        """Read the keys in Git or the record, except those that the list shows to be unchanged."""
        live: dict[ResourceId, Live] = {}
        known = dict(bases)
        for namespace in sorted({each.namespace for each in (*desired, *bases)}):
            keys = client.kv.list(namespace)
            _check_whole(client.kv, keys, [each for each in bases if each.namespace == namespace])
            for listed in keys:
                resource = ResourceId(namespace, listed.key, Kind.KV)
                declared, base = desired.get(resource), bases.get(resource)
                if declared is None and base is None:
                    continue
                if declared is not None and _untouched(listed, declared, base):
                    live[resource] = Live(resource, declared.sent, listed.revision)
                    continue
                try:
                    entry = client.kv.entry(namespace, listed.key)
                except (NotFound, Gone):
                    continue
                value = from_server(entry.type, entry.value)
                value = replace(value, ttl=listed.ttl, description=listed.description)
                source, base = self.form(resource, value, base)
                self.vault.saw(resource, source)
                live[resource] = Live(resource, source, entry.revision or listed.revision)
                if base is not None:
                    known[resource] = base
        return Reading(live, known)

    def form(
        self, resource: ResourceId, value: KvValue, base: Base | None = None
    ) -> tuple[bytes, Base | None]:
        """Return the source of a live value, in the form that Git or the record has.

        A value that is masked on one side is never shown, unless Git shows the same value.

        :returns: the source, and ``base``, possibly with an additional hash of the same value.
        """
        known = self.vault.seen(resource)
        ours = frozenset[str]() if base is None else base.live_hashes
        secret = any(is_masked(each) for each in known) or (base is not None and base.masked)
        source = b""
        for seconds in _times(value.ttl):
            each = replace(value, ttl=seconds)
            source = plain = source_of(each)
            if plain in known or (not secret and sha256(plain) in ours):
                return plain, base
            if not secret:
                continue
            source = self._hide(resource, masked(each))
            if source in known or sha256(source) in ours:
                return source, base
            if base is not None and sha256(plain) in ours:
                # It was recorded unmasked: now the same value has a different hash.
                return source, replace(base, live_hashes=ours | {sha256(source)})
        return source, base

    def _hide(self, resource: ResourceId, value: KvValue) -> bytes:
        return self.vault.hide(value, f"{self.salt}\0{resource.namespace}\0{resource.id}")

    def store(self, client: KestraClient) -> KvStore:
        """Return the store of single keys."""
        return KvStore(client.kv, self)


def make(context: KindContext) -> KvKind:
    """Create the kind with the configured files."""
    settings = context.settings
    patterns = settings.kv
    if settings.new_paths:  # files that do not exist yet
        patterns = tuple(filter(files_of, patterns))
    return KvKind(
        patterns,
        context.tenant,
        secrets=context.secrets,
        to_server=context.to_server,
        refused=frozenset(filter(None, [settings.connection.token_env])),
        overrides=settings.rendering.kv,
        config_path=settings.rendering.path,
    )


def diff(before: Content, after: Content, *, context: int = 2) -> Sequence[Hunk]:
    """Compare the members; of masked values, only show that they differ."""
    before, after = in_memory(before), in_memory(after)
    if before == after:
        return ()
    hidden = is_masked(before) or is_masked(after)
    if not hidden:
        return unified(before, after, context=context)
    old, new = _members(before), _members(after)
    hunks = unified(_shown(old), _shown(new), context=context)
    if old.get("secret") == new.get("secret") and "value" not in {*old, *new}:
        return hunks
    marks = ((LineMark.REMOVED, before), (LineMark.ADDED, after))
    lines = tuple((mark, '"value": ***') for mark, source in marks if source)
    return (Hunk("secret", 1, 1, lines), *hunks)


def _check_whole(kv: Kv, keys: Sequence[KvListed], known: Sequence[ResourceId]) -> None:
    """Check that recorded keys that are missing in the list were deleted.

    :raises NotCredible: such a key can be read.
    """
    listed = {each.key for each in keys}
    for resource in known:
        if resource.id in listed:
            continue
        with suppress(NotFound, Gone):
            kv.entry_now(resource.namespace, resource.id)
            raise NotCredible(
                f"the list of keys of {resource.namespace} lacks {resource.id}, which exists",
                remedy="run the command again; if that does not help, check the permissions of the"
                " account and any proxy in between",
            )


def _untouched(listed: KvListed, declared: Desired, base: Base | None) -> bool:
    """Return whether the list shows that the key is still as applied, and Git is unchanged."""
    if base is None or base.revision is None or listed.revision != base.revision:
        return False
    if base.live_hashes != {declared.sent_sha256}:
        return False
    members = _members(declared.sent)
    ttl = members.get("ttl")
    return listed.description == members.get("description") and (listed.ttl is None) == (
        ttl is None
    )


def _times(ttl: int | None) -> Sequence[int | None]:
    """Return the times to live that a measured one may be derived from, itself first and last."""
    if ttl is None:
        return (None,)
    near = [ttl + step for step in range(-_CLOCK, _CLOCK + 1) if step and ttl + step > 0]
    return (ttl, *near, ttl)


def _members(source: bytes) -> dict[str, str]:
    if not source:
        return {}
    found: dict[str, str] = json.loads(source.decode("utf-8", "surrogatepass"))
    return found


def is_masked(source: bytes) -> bool:
    """Return whether a source masks its value; false if the key does not exist."""
    return "secret" in _members(source)


def _shown(members: Mapping[str, str]) -> bytes:
    kept = {name: each for name, each in members.items() if name not in {"secret", "value"}}
    if not kept:
        return b""
    return (json.dumps(kept, indent=2, sort_keys=True) + "\n").encode()


class KvStore(Store):
    """Reads and writes keys one by one."""

    delete_twice = True

    def __init__(self, kv: Kv, kind: KvKind) -> None:
        self._kv = kv
        self._kind = kind

    def get(self, resource: ResourceId, *, revision: int | None = None) -> Live:
        """Read the value with its time to live and description; ``revision`` is ignored."""
        del revision
        try:
            entry = self._kv.entry(resource.namespace, resource.id)
        except Gone:
            raise NotFound(404, "GET", str(resource)) from None
        keys = self._kv.list(resource.namespace)
        listed = next((each for each in keys if each.key == resource.id), None)
        ttl, description = (listed.ttl, listed.description) if listed else (None, None)
        return self._live(resource, entry, ttl, description)

    def create(self, resource: ResourceId, source: Content) -> Live:
        """Store a key that does not exist. Kestra itself would overwrite it."""
        with suppress(NotFound, Gone):
            self._kv.entry_now(resource.namespace, resource.id)
            raise AlreadyExists(409, "PUT", str(resource), "the key exists")
        return self.update(resource, source)

    def update(self, resource: ResourceId, source: Content) -> Live:
        """Store a key, and read its value back."""
        value = self._kind.vault.value(in_memory(source))
        self._kv.put_text(
            resource.namespace,
            resource.id,
            value.text,
            ttl=value.ttl_text,
            description=value.description,
        )
        try:
            entry = self._kv.entry(resource.namespace, resource.id)
        except KestraError:  # the write succeeded; it is verified after all writes
            return Live(resource, source)
        return self._live(resource, entry, value.ttl, value.description)

    def delete(self, resource: ResourceId) -> None:
        """Delete a key."""
        if not self._kv.delete(resource.namespace, resource.id):
            raise NotFound(404, "DELETE", str(resource))

    def _live(
        self, resource: ResourceId, entry: KvEntry, ttl: int | None, description: str | None
    ) -> Live:
        value = replace(from_server(entry.type, entry.value), ttl=ttl, description=description)
        source, _ = self._kind.form(resource, value)
        return Live(resource, source, entry.revision)
