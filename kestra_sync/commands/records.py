"""``history``, ``inventory`` and ``unlock``: the records that applies leave on the server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kestra_sync.apply.lock import Holder, read_holder, unlock
from kestra_sync.client.client import KestraClient, connect, target_of
from kestra_sync.errors import ExitCode, RefusedError, UsageError
from kestra_sync.inventory.read import (
    PREFIX,
    SEARCH,
    InventoryLocation,
    KvReads,
    Lookup,
    OtherRecord,
    check_owner,
    find_inventory,
    in_common,
    place_of,
    read_inventory,
)
from kestra_sync.inventory.record import origin
from kestra_sync.model import FlowId, Scope, counted
from kestra_sync.resources import resource_named
from kestra_sync.settings import Settings

#: Is called with the planned changes; they are made if the function returns true.
ConfirmChanges = Callable[[Sequence[str]], bool]

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class RecordEdit:
    """A manual change of the inventory, made or declined.

    :param changes: the planned changes, one sentence each; empty if there are none.
    :param done: whether they were made; false if they were declined.
    """

    changes: tuple[str, ...]
    done: bool

    @property
    def exit_code(self) -> ExitCode:
        """1 if declined, else 0."""
        return ExitCode.OK if self.done or not self.changes else ExitCode.FAILURE


def place_in(settings: Settings) -> InventoryLocation:
    """Return the location of the inventory of a configured repository, without reading files.

    :raises UsageError: without a name and a scope.
    """
    if settings.scope is None and settings.inventory_namespace is None:
        raise UsageError(
            "no namespace is set to look for the inventory in",
            remedy="add `scope:` to kestra-sync.yaml, or pass --namespace",
        )
    return place_of(settings, settings.scope or Scope(()))


def look_up(client: KestraClient, settings: Settings) -> Lookup:
    """Find our inventory, anywhere in the tenant.

    :raises UsageError: without a name and a scope.
    :raises InventoryError: it exists and cannot be used.
    :raises KestraError: if it cannot be read.
    """
    expected = place_in(settings)
    scope = settings.scope or Scope((expected.namespace,))
    client.server_info()  # reports a server that is too old
    return find_inventory(client.kv, expected, scope, origin().repository)


def show_inventory(settings: Settings) -> Lookup:
    """Find our inventory and its location.

    :raises UsageError: without a name and a scope.
    :raises InventoryError: it exists and cannot be used.
    :raises KestraError: if it cannot be read.
    """
    with connect(settings.connection, settings.parallelism) as client:
        return look_up(client, settings)


def release_lock(
    settings: Settings, confirm: Callable[[str, str], bool]
) -> tuple[InventoryLocation, Holder | None, bool]:
    """Release the lock of a crashed run, if ``confirm`` returns true.

    :param confirm: is called with the holder and the time.
    :returns: the locked inventory, the holder, and whether the lock was released.
    :raises UsageError: without a name and a scope.
    :raises KestraError: if it cannot be read or removed.
    """
    with connect(settings.connection, settings.parallelism) as client:
        at = look_up(client, settings).at
        holder = read_holder(client.kv, at)
        if holder is None or not confirm(holder.who, holder.since):
            return at, holder, False
        return at, holder, unlock(client.kv, at, holder)


def rename_inventory(settings: Settings, old: str, new: str, confirm: ConfirmChanges) -> RecordEdit:
    """Change the name of the inventory, its environment, or both.

    :param old: its current name, with the environment: ``flows.prod``.
    :param new: the new name, in the same form.
    :raises UsageError: a name is not valid, or there is no such inventory.
    :raises RefusedError: it belongs to another repository, or the new name is taken.
    :raises KestraError: if it cannot be read or stored.
    """
    from kestra_sync.apply.record_edits import rename_record

    for name in (old, new):
        if not _NAME.match(name):
            raise UsageError(f"{name!r} is not a valid inventory name")
    with connect(settings.connection, settings.parallelism) as client:
        client.server_info()
        found = _named(client, settings, old)
        _check(client, settings, found)
        place = _renamed(settings, found, new)
        if old == new:
            return RecordEdit((), done=False)
        flows = counted(found.inventory.resources)
        changes = (
            f"Rename the inventory {old!r} in {found.place.namespace} ({flows}) to {new!r}.",
        )
        if not confirm(changes):
            return RecordEdit(changes, done=False)
        rename_record(
            client.kv, found.place, place, found.inventory, lock_timeout=settings.lock_timeout
        )
        return RecordEdit(changes, done=True)


def forget_flows(settings: Settings, flows: Sequence[str], confirm: ConfirmChanges) -> RecordEdit:
    """Remove flows from the inventory; they remain on the server.

    :param flows: their names, ``namespace/id``.
    :raises UsageError: there is no inventory, or one of the flows is not in it.
    :raises RefusedError: it belongs to another repository.
    :raises KestraError: if it cannot be read or stored.
    """
    from kestra_sync.apply.record_edits import forget_in_record

    with connect(settings.connection, settings.parallelism) as client:
        found = _ours(client, settings)
        owned = found.inventory.bases()
        expected: list[FlowId] = []
        for name in dict.fromkeys(flows):
            flow_id = resource_named(name)
            if flow_id not in owned:
                raise UsageError(
                    f"the inventory {found.place.full_name!r} does not list {name}",
                    remedy="see 'kestra-sync inventory'; write names as they are listed there",
                )
            expected.append(flow_id)
        changes = tuple(
            f"Remove {each} from the inventory {found.place.full_name!r}. It stays on the server."
            for each in expected
        )
        if not confirm(changes):
            return RecordEdit(changes, done=False)
        forget_in_record(
            client.kv, found.place, found.inventory, expected, lock_timeout=settings.lock_timeout
        )
        return RecordEdit(changes, done=True)


def move_inventory(settings: Settings, namespace: str, confirm: ConfirmChanges) -> RecordEdit:
    """Move the inventory to another namespace.

    :raises UsageError: there is no inventory, or the namespace is not valid.
    :raises RefusedError: it belongs to another repository, or the namespace already has one.
    :raises KestraError: if it cannot be read or stored.
    """
    from kestra_sync.apply.record_edits import move_record

    if not _NAMESPACE.match(namespace):
        raise UsageError(f"{namespace!r} is not a valid namespace")
    with connect(settings.connection, settings.parallelism) as client:
        found = _ours(client, settings)
        if found.place.namespace == namespace:
            return RecordEdit((), done=False)
        target = InventoryLocation(namespace, found.place.name, found.place.environment)
        if read_inventory(client.kv, target) is not None:
            raise RefusedError(
                f"the inventory {target.full_name!r} already exists in {namespace}",
                remedy="rename one of them first",
            )
        what = f"The inventory {target.full_name!r} ({counted(found.inventory.resources)})"
        changes = [f"{what} moves from {found.place.namespace} to {namespace}."]
        if place_in(settings).namespace != namespace:
            changes.append(
                f"Set `inventory: {{namespace: {namespace}}}` in kestra-sync.yaml, or the next"
                " apply moves it back."
            )
        if not confirm(changes):
            return RecordEdit(tuple(changes), done=False)
        move_record(
            client.kv, found.place, target, found.inventory, lock_timeout=settings.lock_timeout
        )
        return RecordEdit(tuple(changes), done=True)


def _ours(client: KestraClient, settings: Settings) -> OtherRecord:
    found = look_up(client, settings)
    if found.inventory is None:
        raise UsageError(
            f"the inventory {found.configured.full_name!r} does not exist yet",
            remedy="see 'kestra-sync inventory'; the first apply creates it",
        )
    ours = OtherRecord(found.at, found.inventory)
    _check(client, settings, ours)
    return ours


def _check(client: KestraClient, settings: Settings, found: OtherRecord) -> None:
    target = target_of(client, found.place.environment)
    check_owner(found.inventory, origin().repository, target, take_over=settings.take_over)


def _named(client: KestraClient, settings: Settings, name: str) -> OtherRecord:
    """Find the inventory with that full name and a scope that overlaps ours.

    :raises UsageError: there is none, or more than one.
    """
    expected = place_in(settings)
    scope = settings.scope or Scope((expected.namespace,))
    found = [
        each
        for each in _all_named(client.kv, name)
        if in_common(scope, each.inventory) or each.place.namespace == expected.namespace
    ]
    here = origin().repository
    if len(found) > 1 and here:
        found = [each for each in found if each.inventory.repository == here] or found
    if len(found) != 1:
        several = f"{len(found)} inventories are called" if found else "there is no inventory"
        raise UsageError(
            f"{several} {name!r} for the scope {', '.join(scope.namespaces)}",
            remedy="use the name of the key in Kestra's KV store without 'kestra-sync.', "
            "including the environment: flows.prod",
        )
    return found[0]


def _all_named(kv: KvReads, name: str) -> list[OtherRecord]:
    found = []
    for entry in kv.search(SEARCH):
        if entry.key != PREFIX + name:
            continue
        for place in _places(entry.namespace, name):
            try:
                inventory = read_inventory(kv, place)
            except RefusedError:
                continue  # the dots separate other parts, or it cannot be used
            if inventory is not None:
                found.append(OtherRecord(place, inventory))
                break
    return found


def _places(namespace: str, name: str) -> list[InventoryLocation]:
    """Return all ways to split ``a.b.c`` into a name and an environment."""
    parts = name.split(".")
    cuts = range(len(parts) - 1, 0, -1)
    divided = [
        InventoryLocation(namespace, ".".join(parts[:cut]), ".".join(parts[cut:])) for cut in cuts
    ]
    return [InventoryLocation(namespace, name), *divided]


def _renamed(settings: Settings, found: OtherRecord, new: str) -> InventoryLocation:
    """Return the location for the new name: as configured if it matches, else unchanged."""
    expected = place_in(settings)
    if expected.full_name == new:
        return expected
    environment = found.place.environment
    if environment is not None and new.endswith(f".{environment}"):
        return InventoryLocation(
            found.place.namespace, new.removesuffix(f".{environment}"), environment
        )
    return InventoryLocation(found.place.namespace, new)
