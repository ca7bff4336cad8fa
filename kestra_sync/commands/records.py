"""``history``, ``inventory`` and ``unlock``: the records that applies leave on the server."""

from __future__ import annotations

from kestra_sync.apply.lock import Holder, unlock
from kestra_sync.commands.connect import connect
from kestra_sync.commands.ownership import place_of
from kestra_sync.errors import UsageError
from kestra_sync.inventory.read import Place, read_inventory
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import Scope
from kestra_sync.settings import Settings


def place_in(settings: Settings) -> Place:
    """Where the inventory of a configured repository lives; no file is read for it.

    :raises UsageError: without a name and a scope.
    """
    if settings.scope is None and settings.inventory_namespace is None:
        raise UsageError(
            "no namespace is known that could hold the inventory",
            remedy="add `scope:` to kestra-sync.yaml, or pass --namespace",
        )
    return place_of(settings, settings.scope or Scope(()))


def show_inventory(settings: Settings) -> tuple[Place, Inventory | None]:
    """Our inventory, and where it was looked for.

    :raises UsageError: without a name and a scope.
    :raises InventoryError: it is there and cannot be used.
    :raises KestraError: if it cannot be read.
    """
    place = place_in(settings)
    with connect(settings.connection) as client:
        return place, read_inventory(client.kv, place)


def take_lock_away(settings: Settings) -> tuple[Place, Holder | None]:
    """Remove the lock of a run that is dead; returns who held it.

    :raises UsageError: without a name and a scope.
    :raises KestraError: if it cannot be removed.
    """
    place = place_in(settings)
    with connect(settings.connection) as client:
        client.server_info()
        return place, unlock(client.kv, place)
