"""Reads the owned flows before a plan is created."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from kestra_sync.errors import UsageError
from kestra_sync.inventory.origin import Origin, actor, origin
from kestra_sync.inventory.read import (
    KvReads,
    OtherRecord,
    Place,
    check_owner,
    find_inventory,
)
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import Base, FlowId, Scope, Target
from kestra_sync.repo.git_status import is_dirty
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

    place: Place
    inventory: Inventory | None
    origin: Origin
    at: Place
    similar: tuple[OtherRecord, ...] = ()
    take_over: bool = False

    @cached_property
    def bases(self) -> dict[FlowId, Base]:
        """What we applied last, the flows outside the present scope included."""
        return self.inventory.bases() if self.inventory is not None else {}


def place_of(settings: Settings, scope: Scope) -> Place:
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
    return Place(namespace, settings.name, settings.environment)


def read_ownership(kv: KvReads, settings: Settings, scope: Scope, target: Target) -> Ownership:
    """Find our inventory and make sure that it is ours.

    :param target: the server and tenant that we talk to.
    :raises RefusedError: it was written from another repository or for another server, or cannot
        be used.
    :raises UnexpectedAnswer: the answers of the KV store contradict each other.
    :raises KestraError: if the KV store cannot be read.
    """
    place = place_of(settings, scope)
    here = _here(settings)
    found = find_inventory(kv, place, scope, here.repository)
    check_owner(found.inventory, here.repository, target, take_over=settings.take_over)
    return Ownership(place, found.inventory, here, found.at, found.similar, settings.take_over)


def _here(settings: Settings) -> Origin:
    """The origin of the files, whether they are those of its commit, and who deploys them.

    Also a file below the paths that was never added to Git makes the tree dirty: it is deployed,
    and the commit does not have it.
    """
    here = origin()
    dirty = here.commit is not None and is_dirty(Path(), untracked=settings.paths)
    return replace(here, dirty=bool(dirty), by=actor())
