"""Finds our inventory in the tenant and checks who owns it."""

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
#: The search that finds all of these keys; the server matches anywhere in the key.
SEARCH = "kestra-sync"

#: Seconds between two reads of an implausible response.
_PAUSES = (0.3, 0.9)


class KvReads(Protocol):
    """The reads of :class:`kestra_sync.client.kv.Kv` that this module needs."""

    def get(self, namespace: str, key: str) -> Any: ...

    def search(self, text: str) -> tuple[KvKey, ...]: ...


@dataclass(frozen=True)
class InventoryLocation:
    """Where an inventory is stored, and its name.

    :param namespace: the namespace whose KV store contains it.
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
        """The key of its lock."""
        return LOCK_PREFIX + self.full_name

    def run_key(self, nonce: str) -> str:
        """Return the key under which a run stores what it is about to write."""
        return f"{RUN_PREFIX}{self.full_name}.{nonce}"


@dataclass(frozen=True)
class OtherRecord:
    """A record of the same repository with another name or scope."""

    place: InventoryLocation
    inventory: Inventory


@dataclass(frozen=True)
class Lookup:
    """The result of :func:`find_inventory`.

    :param configured: where the record belongs according to the configuration.
    :param at: where it is; ``configured`` if it does not exist.
    :param inventory: ``None`` if it does not exist yet.
    :param similar: if it does not exist: records of the same repository with another name or
        environment, or whose namespaces do not overlap with our scope.
    """

    configured: InventoryLocation
    at: InventoryLocation
    inventory: Inventory | None
    similar: tuple[OtherRecord, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the record is not where it belongs."""
        return self.at != self.configured


def record_at(kv: KvReads, namespace: str, key: str) -> Any:
    """Return the value of a key that should be an inventory; it is read again if it is not.

    A busy server once returned something else between two good reads, without a write. Users
    would delete an inventory that is reported as corrupt.

    :raises NotFound: there is no such key.
    :raises Gone: it has expired.
    """
    value = kv.get(namespace, key)
    if not is_inventory(value):
        time.sleep(_PAUSES[0])
        value = kv.get(namespace, key)
    return value


def read_inventory(kv: KvReads, place: InventoryLocation) -> Inventory | None:
    """Read the inventory at ``place``; ``None`` if there is none.

    :raises InventoryError: it cannot be used, or has another name or environment.
    :raises KestraError: if the KV store cannot be read.
    """
    stored = _stored(kv, place)
    return None if stored is None else _inventory_of(stored[0], place)


def read_version(kv: KvReads, place: InventoryLocation) -> tuple[int, str] | None:
    """Read :attr:`Inventory.version` of the inventory at ``place``; ``None`` if there is none.

    The rest, which may be large, is only parsed if needed to determine the version.

    :raises InventoryError: it cannot be used, or has another name or environment.
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
    configured: InventoryLocation,
    scope: Scope,
    repository: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Lookup:
    """Find our inventory anywhere in the tenant.

    It is searched by name, environment and repository, because the first namespace of the scope,
    which is its default location, may change.

    :param repository: ours; ``""`` if unknown.
    :raises InventoryError: it cannot be used, or there are two.
    :raises NotCredible: the responses of the KV store contradict each other.
    :raises KestraError: if the KV store cannot be read.
    """
    for pause in (*_PAUSES, None):
        inventory = read_inventory(kv, configured)
        if inventory is not None:
            return Lookup(configured, configured, inventory)
        listed = [each for each in kv.search(SEARCH) if each.key.startswith(PREFIX)]
        if KvKey(configured.namespace, configured.key) not in listed:
            return _elsewhere(kv, configured, listed, scope, repository)
        if pause is not None:
            sleep(pause)
    raise NotCredible(
        f"the KV store lists the key {configured.key} in {configured.namespace}, but cannot find"
        " it",
        remedy="check the permissions of the account and any proxy in between",
    )


def _elsewhere(
    kv: KvReads,
    configured: InventoryLocation,
    listed: Iterable[KvKey],
    scope: Scope,
    repository: str,
) -> Lookup:
    """Search for our inventory in other namespaces."""
    ours: list[OtherRecord] = []
    similar: list[OtherRecord] = []
    for entry in listed:
        same_name = entry.key == configured.key
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
        named = (found.name, found.target.environment) == (configured.name, configured.environment)
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
            f"{len(ours)} inventories {configured.name!r} may be the one to use, in {names}",
            remedy="choose one with `inventory: {namespace: …}` in kestra-sync.yaml",
        )
    if ours:
        log.info("the inventory %s is in %s", configured.key, ours[0].place.namespace)
        return Lookup(configured, ours[0].place, ours[0].inventory)
    return Lookup(configured, configured, None, tuple(similar))


def _of_another(value: Any, repository: str) -> bool:
    """Return whether a record that cannot be used names another repository as its owner."""
    owner = value.get("repository") if isinstance(value, dict) else None
    return bool(repository) and isinstance(owner, str) and owner not in ("", repository)


def in_common(scope: Scope, inventory: Inventory) -> bool:
    """Return whether an inventory has any namespace in common with ``scope``."""
    other_scope = inventory.scope
    namespaces = {each.namespace for each in inventory.resources}
    return any(map(scope.covers, (*other_scope.namespaces, *namespaces))) or any(
        map(other_scope.covers, scope.namespaces)
    )


def check_owner(
    inventory: Inventory | None, repository: str, target: Target, *, take_over: bool
) -> None:
    """Reject an inventory of another repository, server or tenant.

    :param repository: ours; ``""`` if unknown.
    :param target: our server and tenant.
    :param take_over: accept it anyway.
    :raises RefusedError: the inventory belongs to another repository, server or tenant.
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
    """Normalize the address of a server to host and path.

    Scheme and port are ignored: the same server can be reached with and without TLS, directly and
    through a tunnel. All names of the local machine are equal.
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
    """Our inventory and its location.

    :param place: where it belongs according to the configuration.
    :param at: where it is now; an apply moves it.
    :param inventory: ``None`` if there is none yet.
    :param similar: if there is none: records of this repository that may be ours under another
        name.
    :param take_over: take over resources that belong to other repositories.
    :param preview: the preview that the record belongs to, if any.
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
        """What was applied last, including flows outside the current scope."""
        return self.inventory.bases() if self.inventory is not None else {}


def place_of(settings: Settings, scope: Scope) -> InventoryLocation:
    """Return where the inventory of these settings belongs.

    :raises UsageError: the name is missing, or the namespace cannot be determined.
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
