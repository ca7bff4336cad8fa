"""Reads inventories: ours, and those of others in the same tenant."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kestra_sync.errors import RefusedError
from kestra_sync.inventory.codec import InventoryError, from_json
from kestra_sync.inventory.record import Inventory
from kestra_sync.kestra.errors import Gone, NotFound
from kestra_sync.kestra.values import KvKey
from kestra_sync.model import FlowId

log = logging.getLogger(__name__)

PREFIX = "kestra-sync."
LOCK_PREFIX = "kestra-sync-lock."


class KvReads(Protocol):
    """The reads of :class:`kestra_sync.kestra.kv.Kv` that this module needs."""

    def get(self, namespace: str, key: str) -> Any: ...

    def search(self, text: str) -> tuple[KvKey, ...]: ...


@dataclass(frozen=True)
class Place:
    """Where an inventory lives, and whose it must be.

    :param namespace: the namespace whose KV store holds it.
    """

    namespace: str
    name: str
    environment: str | None = None

    @property
    def key(self) -> str:
        """The key in the KV store."""
        return PREFIX + self._name

    @property
    def _name(self) -> str:
        return self.name if self.environment is None else f"{self.name}.{self.environment}"

    @property
    def lock_key(self) -> str:
        """The key of the lock that belongs to it."""
        return LOCK_PREFIX + self._name


def read_inventory(kv: KvReads, place: Place) -> Inventory | None:
    """Our inventory; ``None`` if there is none.

    :raises InventoryError: it cannot be used, or is another name's or environment's.
    :raises KestraError: if the KV store cannot be read.
    """
    try:
        value = kv.get(place.namespace, place.key)
    except (NotFound, Gone):
        return None
    inventory = from_json(value)
    if (inventory.name, inventory.target.environment) != (place.name, place.environment):
        raise InventoryError(
            f"the key {place.key} in {place.namespace} holds the inventory of {inventory.name!r}"
            f" (environment {inventory.target.environment or 'none'})",
            remedy="choose another name in kestra-sync.yaml",
        )
    return inventory


def check_repository(inventory: Inventory | None, repository: str, *, take_over: bool) -> None:
    """Refuse an inventory that another repository wrote under the same name.

    :param repository: ours; ``""`` if it cannot be told, which is then taken on trust.
    :raises RefusedError: unless ``take_over``.
    """
    if inventory is None or take_over or not repository or not inventory.repository:
        return
    if inventory.repository != repository:
        raise RefusedError(
            f"the inventory {inventory.name!r} was written from {inventory.repository},"
            f" and this is {repository}",
            remedy="choose another name in kestra-sync.yaml, or pass --take-over once if this"
            " repository replaces the other",
        )


def owned_by_others(kv: KvReads, ours: Place) -> dict[FlowId, str]:
    """For each flow that another inventory of the tenant owns, that inventory's name.

    An inventory that cannot be understood is an error: what it owns must not be deleted.

    :raises InventoryError: as said.
    """
    owners: dict[FlowId, str] = {}
    for entry in _inventories(kv.search(PREFIX)):
        if (entry.namespace, entry.key) == (ours.namespace, ours.key):
            continue
        try:
            inventory = from_json(kv.get(entry.namespace, entry.key))
        except (NotFound, Gone):
            continue
        log.info("%s in %s owns %d flows", entry.key, entry.namespace, len(inventory.resources))
        for flow_id in inventory.bases():
            owners[flow_id] = entry.key.removeprefix(PREFIX)
    return owners


def _inventories(entries: Iterable[KvKey]) -> list[KvKey]:
    # The server matches anywhere in the key.
    return [entry for entry in entries if entry.key.startswith(PREFIX)]
