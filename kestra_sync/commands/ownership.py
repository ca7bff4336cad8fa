"""What we own, read before a plan is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kestra_sync.errors import UsageError
from kestra_sync.inventory.origin import Origin, origin
from kestra_sync.inventory.read import KvReads, Place, check_repository, read_inventory
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import Base, FlowId, Scope
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class Ownership:
    """Our inventory and where it lives.

    :param inventory: ``None`` if there is none yet.
    """

    place: Place
    inventory: Inventory | None
    origin: Origin

    @cached_property
    def bases(self) -> dict[FlowId, Base]:
        """What we applied last, the flows outside the present scope included."""
        return self.inventory.bases() if self.inventory is not None else {}


def place_of(settings: Settings, scope: Scope) -> Place:
    """Where the inventory of these settings lives.

    :raises UsageError: without a name, or with nothing that tells the namespace.
    """
    if settings.name is None:
        raise UsageError(
            "there is no inventory without a name",
            remedy="add `name:` to kestra-sync.yaml, or pass --name",
        )
    namespace = settings.inventory_namespace or next(iter(scope.namespaces), None)
    if namespace is None:
        raise UsageError(
            "no namespace is known to keep the inventory in",
            remedy="add `scope:` or `inventory: {namespace: …}` to kestra-sync.yaml",
        )
    return Place(namespace, settings.name, settings.environment)


def read_ownership(kv: KvReads, settings: Settings, scope: Scope) -> Ownership:
    """Read our inventory.

    :raises RefusedError: it was written from another repository, or cannot be used.
    :raises KestraError: if the KV store cannot be read.
    """
    from kestra_sync.kestra.parallel import in_background

    place = place_of(settings, scope)
    told = in_background(origin)  # Git is asked while the server is
    inventory = read_inventory(kv, place)
    here = told()
    check_repository(inventory, here.repository, take_over=settings.take_over)
    return Ownership(place, inventory, here)
