"""Finds our inventory in the tenant, checks its owner, and tells what it says is ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlsplit

from kestra_sync.client.errors import Gone, NotCredible, NotFound
from kestra_sync.client.kv import KvKey
from kestra_sync.errors import RefusedError, UsageError
from kestra_sync.inventory.codec import InventoryError, from_json, is_inventory, version_of
from kestra_sync.inventory.record import Inventory, Origin
from kestra_sync.model import Base, FlowId, Scope, Target
from kestra_sync.previews import Preview
from kestra_sync.settings import Settings

log = logging.getLogger(__name__)

PREFIX = "kestra-sync."
LOCK_PREFIX = "kestra-sync-lock."
RUN_PREFIX = "kestra-sync-run."
#: What finds all of them; the server matches anywhere in the key.
SEARCH = "kestra-sync"

#: Seconds between two reads of an implausible response.
_PAUSES = (0.3, 0.9)


class KvReads(Protocol):
    """The reads of :class:`kestra_sync.client.kv.Kv` that this module needs."""

    def get(self, namespace: str, key: str) -> Any: ...

    def search(self, text: str) -> tuple[KvKey, ...]: ...


@dataclass(frozen=True)
class InventoryLocation:
    """Where an inventory lives, and whose it must be.

    :param namespace: the namespace whose KV store holds it.
    """

    namespace: str
    name: str
    environment: str | None = None

    @property
    def key(self) -> str:
        """The key in the KV store."""
        return PREFIX + self.full_name

    @property
    def full_name(self) -> str:
        """The name with the environment: ``flows.prod``."""
        return self.name if self.environment is None else f"{self.name}.{self.environment}"

    @property
    def lock_key(self) -> str:
        """The key of the lock that belongs to it."""
        return LOCK_PREFIX + self.full_name

    def run_key(self, nonce: str) -> str:
        """The key under which one run keeps what it is about to write."""
        return f"{RUN_PREFIX}{self.full_name}.{nonce}"


@dataclass(frozen=True)
class OtherRecord:
    """A record of the same repository that is not ours by its name or scope."""

    place: InventoryLocation
    inventory: Inventory


@dataclass(frozen=True)
class Lookup:
    """What was found.

    :param wanted: where the record belongs by the configuration.
    :param at: where it is; ``wanted`` if there is none.
    :param inventory: ``None`` if there is none yet.
    :param similar: if there is none: records of the same repository under another name or
        environment, or for namespaces that have nothing in common with our scope.
    """

    wanted: InventoryLocation
    at: InventoryLocation
    inventory: Inventory | None
    similar: tuple[OtherRecord, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the record is not where it belongs."""
        return self.at != self.wanted


def record_at(kv: KvReads, namespace: str, key: str) -> Any:
    """The value of a key that should be an inventory; it is read again if it is not.

    Seen once on a busy machine: something else, between two good reads and without a write. An
    inventory that is called damaged is one that people delete.

    :raises NotFound: there is no such key.
    :raises Gone: it has expired.
    """
    value = kv.get(namespace, key)
    if not is_inventory(value):
        time.sleep(_PAUSES[0])
        value = kv.get(namespace, key)
    return value


def read_inventory(kv: KvReads, place: InventoryLocation) -> Inventory | None:
    """The inventory at ``place``; ``None`` if there is none.

    :raises InventoryError: it cannot be used, or is another name's or environment's.
    :raises KestraError: if the KV store cannot be read.
    """
    stored = _stored(kv, place)
    return None if stored is None else _inventory_of(stored[0], place)


def read_version(kv: KvReads, place: InventoryLocation) -> tuple[int, str] | None:
    """:attr:`Inventory.version` of the inventory at ``place``; ``None`` if there is none.

    The rest of it is only read if the version cannot be told: it may be large.

    :raises InventoryError: it cannot be used, or is another name's or environment's.
    :raises KestraError: if the KV store cannot be read.
    """
    stored = _stored(kv, place)
    if stored is None:
        return None
    return version_of(stored[0]) or _inventory_of(stored[0], place).version


def _stored(kv: KvReads, place: InventoryLocation) -> tuple[Any] | None:
    try:
        return (record_at(kv, place.namespace, place.key),)
    except (NotFound, Gone):
        return None


def _inventory_of(value: Any, place: InventoryLocation) -> Inventory:
    inventory = from_json(value, f"the inventory {place.key} in {place.namespace}")
    if (inventory.name, inventory.target.environment) != (place.name, place.environment):
        raise InventoryError(
            f"the key {place.key} in {place.namespace} contains the inventory of {inventory.name!r}"
            f" (environment {inventory.target.environment or 'none'})",
            remedy="choose another name in kestra-sync.yaml",
        )
    return inventory


def find_inventory(
    kv: KvReads,
    wanted: InventoryLocation,
    scope: Scope,
    repository: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Lookup:
    """Our inventory, wherever in the tenant it is.

    It is looked for by name, environment and repository, as the first namespace of the scope,
    where it is kept unless the configuration says otherwise, may change.

    :param repository: ours; ``""`` if unknown.
    :raises InventoryError: it cannot be used, or there are two of them.
    :raises NotCredible: the answers of the KV store contradict each other.
    :raises KestraError: if the KV store cannot be read.
    """
    for pause in (*_PAUSES, None):
        inventory = read_inventory(kv, wanted)
        if inventory is not None:
            return Lookup(wanted, wanted, inventory)
        listed = [each for each in kv.search(SEARCH) if each.key.startswith(PREFIX)]
        if KvKey(wanted.namespace, wanted.key) not in listed:
            return _elsewhere(kv, wanted, listed, scope, repository)
        if pause is not None:
            sleep(pause)
    raise NotCredible(
        f"the KV store lists the key {wanted.key} in {wanted.namespace}, but cannot find it",
        remedy="check the permissions of the account and any proxy in between",
    )


def _elsewhere(
    kv: KvReads, wanted: InventoryLocation, listed: Iterable[KvKey], scope: Scope, repository: str
) -> Lookup:
    """Look at the other inventories: is one of them ours?"""
    ours: list[OtherRecord] = []
    similar: list[OtherRecord] = []
    for entry in listed:
        same_name = entry.key == wanted.key
        try:
            value = record_at(kv, entry.namespace, entry.key)
        except (NotFound, Gone):
            continue
        try:
            found = from_json(value, f"the inventory {entry.key} in {entry.namespace}")
        except InventoryError:
            if same_name and not _of_another(value, repository):
                raise  # it may be ours
            continue
        if repository and found.repository and repository != found.repository:
            continue
        there = OtherRecord(
            InventoryLocation(entry.namespace, found.name, found.target.environment),
            found,
        )
        named = (found.name, found.target.environment) == (wanted.name, wanted.environment)
        common = in_common(scope, found)
        if named and same_name and common:
            ours.append(there)
        elif common or (same_name and repository == found.repository != ""):
            similar.append(there)
    if len(ours) > 1:
        ours = [each for each in ours if repository and each.inventory.repository] or ours
    if len(ours) > 1:
        names = " and ".join(each.place.namespace for each in ours)
        raise InventoryError(
            f"{len(ours)} inventories {wanted.name!r} may be the one to use, in {names}",
            remedy="choose one with `inventory: {namespace: …}` in kestra-sync.yaml",
        )
    if ours:
        log.info("the inventory %s is in %s", wanted.key, ours[0].place.namespace)
        return Lookup(wanted, ours[0].place, ours[0].inventory)
    return Lookup(wanted, wanted, None, tuple(similar))


def _of_another(value: Any, repository: str) -> bool:
    """Whether a record that cannot be used says at least that it is another repository's."""
    theirs = value.get("repository") if isinstance(value, dict) else None
    return bool(repository) and isinstance(theirs, str) and theirs not in ("", repository)


def in_common(scope: Scope, inventory: Inventory) -> bool:
    """Whether an inventory has to do with any namespace of ``scope``."""
    theirs = inventory.scope
    namespaces = {each.namespace for each in inventory.resources}
    return any(map(scope.covers, (*theirs.namespaces, *namespaces))) or any(
        map(theirs.covers, scope.namespaces)
    )


def check_owner(
    inventory: Inventory | None, repository: str, target: Target, *, take_over: bool
) -> None:
    """Refuse an inventory that was not written from here, for this server.

    :param repository: ours; ``""`` if unknown.
    :param target: the server and tenant that we talk to.
    :raises RefusedError: another repository wrote it, or for another server or tenant; never with
        ``take_over``.
    """
    if inventory is None or take_over:
        return
    if inventory.repository and not repository:
        raise RefusedError(
            f"the inventory {inventory.name!r} belongs to {inventory.repository}, but the "
            f"repository of this directory is unknown",
            remedy="run the command in a clone with a Git remote, or set"
            f" KESTRA_SYNC_REPOSITORY={inventory.repository}, or pass --take-over once if this"
            " repository replaces the other",
        )
    if inventory.repository and inventory.repository != repository:
        raise RefusedError(
            f"the inventory {inventory.name!r} belongs to {inventory.repository}, but this is "
            f"{repository}",
            remedy="choose another name in kestra-sync.yaml, or pass --take-over once if this"
            " repository replaces the other",
        )
    there = inventory.target
    if there.tenant != target.tenant:
        raise RefusedError(
            f"the inventory {inventory.name!r} belongs to the tenant {there.tenant}, but this is "
            f"{target.tenant}",
            remedy="its flows were not deployed here: delete the key, or pass --take-over once if "
            "the tenant was renamed",
        )
    if server_of(there.url) != server_of(target.url):
        raise RefusedError(
            f"the inventory {inventory.name!r} belongs to the server {server_of(there.url)}, but "
            f"this is {server_of(target.url)}",
            remedy="if this is a copy of that server, delete the key, because its flows were not "
            "deployed here; if the server has a new address, pass --take-over once",
        )


def server_of(url: str) -> str:
    """What is the same for all ways to write the address of one server: host and path.

    Scheme and port are left out: the same server is reached with and without TLS, directly and
    through a tunnel. All names of this machine are one.
    """
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return url
    if host in ("localhost", "::1", "0.0.0.0") or host.startswith("127."):  # noqa: S104
        host = "localhost"
    return host + parts.path.rstrip("/")


@dataclass(frozen=True)
class Ownership:
    """Our inventory and where it lives.

    :param place: where it belongs by the configuration.
    :param at: where it is; an apply moves it.
    :param inventory: ``None`` if there is none yet.
    :param similar: if there is none: records of this repository that may be ours by another name.
    :param take_over: what belongs to other repositories is ours from now on.
    :param preview: the record is that of this preview.
    """

    place: InventoryLocation
    inventory: Inventory | None
    origin: Origin
    at: InventoryLocation
    similar: tuple[OtherRecord, ...] = ()
    take_over: bool = False
    preview: Preview | None = None

    @cached_property
    def bases(self) -> dict[FlowId, Base]:
        """What we applied last, the flows outside the present scope included."""
        return self.inventory.bases() if self.inventory is not None else {}


def place_of(settings: Settings, scope: Scope) -> InventoryLocation:
    """Where the inventory of these settings belongs.

    :raises UsageError: without a name, or with nothing that tells the namespace.
    """
    if settings.name is None:
        raise UsageError(
            "`name` is not set, so there is no inventory",
            remedy="add `name:` to kestra-sync.yaml, or pass --name",
        )
    namespace = settings.inventory_namespace or next(iter(scope.namespaces), None)
    if namespace is None:
        raise UsageError(
            "no namespace is set to keep the inventory in",
            remedy="add `scope:` or `inventory: {namespace: …}` to kestra-sync.yaml",
        )
    return InventoryLocation(namespace, settings.name, settings.environment)
