"""Our inventory and where it lives, as a plan and an apply carry it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kestra_sync.errors import UsageError
from kestra_sync.inventory.origin import Origin
from kestra_sync.inventory.read import InventoryLocation, OtherRecord
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import Base, FlowId, Scope
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class Ownership:
    """Our inventory and where it lives.

    :param place: where it belongs by the configuration.
    :param at: where it is; an apply moves it.
    :param inventory: ``None`` if there is none yet.
    :param similar: if there is none: records of this repository that may be ours by another name.
    :param take_over: what belongs to other repositories is ours from now on.
    """

    place: InventoryLocation
    inventory: Inventory | None
    origin: Origin
    at: InventoryLocation
    similar: tuple[OtherRecord, ...] = ()
    take_over: bool = False

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
