"""Checks the ownership of flows in other inventories during an apply, and takes flows over.

Flows that are taken over are removed from their former inventory: no flow has two owners.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kestra_sync.apply.keeper import StaleRecordError, put_record
from kestra_sync.apply.lock import Lock
from kestra_sync.apply.record import RunRecord
from kestra_sync.apply.run import Done, RollbackStatus
from kestra_sync.client.errors import Gone, NotFound
from kestra_sync.client.kv import Kv, KvKey
from kestra_sync.errors import ConflictError, KestraSyncError
from kestra_sync.inventory.codec import from_json
from kestra_sync.inventory.others import Others, name_of, read_others
from kestra_sync.inventory.read import InventoryLocation, Ownership, record_at
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import FlowId, Kind, Plan, ResourceId, counted, plural
from kestra_sync.settings import Settings


def others_now(kv: Kv, plan: Plan, owned: Ownership, record: RunRecord) -> Others:
    """Read the other inventories again, under the lock.

    The keys that the server lists must include this run's lock: on the first apply of a name it is
    the only key known to exist.

    :raises ConflictError: a flow of the plan belongs to another inventory by now.
    :raises NotCredible: the list of keys is implausible.
    """
    perhaps = [each for each in plan.changes if each.maybe_foreign]
    others = read_others(
        kv,
        owned.at,
        owned.inventory,
        witness=KvKey(owned.at.namespace, owned.at.lock_key),
    )
    record.neighbours(others.keys)
    taken = [each.flow_id for each in perhaps if each.flow_id in others.owners]
    if taken and not owned.take_over:
        raise ConflictError(
            f"{taken[0]} now belongs to the inventory {others.name(taken[0])!r}, which was not "
            f"the case when the plan was created",
            remedy="run the command again to create a new plan",
        )
    return others


def take_over(
    kv: Kv, plan: Plan, owned: Ownership, others: Others, settings: Settings
) -> tuple[RemovedEntries, ...]:
    """Remove the flows that this apply takes over from the other inventories.

    :raises ConflictError: an apply of one of them is running.
    :raises KestraError: one of them could not be stored.
    """
    ours = taken_over(plan, owned.inventory, others.owners)
    return remove_from_others(kv, others, ours, lock_timeout=settings.lock_timeout)


def taken_over(
    plan: Plan, inventory: Inventory | None, owners: Collection[FlowId]
) -> tuple[FlowId, ...]:
    """Return the flows of other inventories that ``--take-over`` takes over, sorted."""
    touched = {each.flow_id for each in plan.changes if each.maybe_foreign}
    if inventory is not None and not plan.partial:
        touched |= {each for each in inventory.resources if plan.scope.covers(each.namespace)}
    return tuple(sorted(each for each in touched if each in owners))


def give_back(kv: Kv, removed: tuple[RemovedEntries, ...], done: Done, settings: Settings) -> Done:
    """Return rolled-back flows to the inventories they were taken from; note it if that fails."""
    back = {each.change.flow_id for each in done.restored if each.status is RollbackStatus.RESTORED}
    if not back:
        return done
    try:
        return_entries(kv, removed, back, lock_timeout=settings.lock_timeout)
    except KestraSyncError as error:
        note = f"flows that were taken over could not be returned to their inventory: {error}"
        return replace(done, notes=(*done.notes, note), incomplete=True)
    return done


_SENTENCES = {
    "adopt": "Adopted {flows}.",
    "refresh": "Updated {flows} in the inventory.",
    "drop": "Removed {flows} from the inventory.",
    "move": "Moved the inventory to its new namespace.",
    "bind": "Took over the inventory.",
    "close": "Closed an unfinished run.",
}


def recorded(plan: Plan, removed: tuple[RemovedEntries, ...]) -> tuple[str, ...]:
    """Return what was recorded in addition to the writes, one sentence each."""
    found = [
        _SENTENCES[each.kind].format(flows=each.what or plural(each.flows, "flow"))
        for each in plan.record
        if each.kind in _SENTENCES
    ]
    sentences = (
        f"Removed {counted(one.resources)} from the inventory {one.name!r}." for one in removed
    )
    return (*found, *sentences)


#: A resource in a record, as it is stored.
_Entry = Mapping[str, object]


@dataclass(frozen=True)
class RemovedEntries:
    """The entries that were removed from another inventory.

    :param entries: the entries as they were stored.
    """

    key: KvKey
    entries: tuple[_Entry, ...]

    @property
    def name(self) -> str:
        """The name of the inventory."""
        return name_of(self.key)

    @property
    def resources(self) -> frozenset[ResourceId]:
        """The resources of the entries."""
        return frozenset(filter(None, map(_resource_of, self.entries)))


def remove_from_others(
    kv: Kv, others: Others, flow_ids: Collection[FlowId], *, lock_timeout: float
) -> tuple[RemovedEntries, ...]:
    """Remove ``flow_ids`` from the inventories that own them, each under its lock.

    :raises ConflictError: an apply of such an inventory is running, or wrote it in the meantime.
    :raises InventoryError: one cannot be understood.
    :raises KestraError: one could not be stored.
    """
    found = []
    for key in sorted({others.owners[each] for each in flow_ids if each in others.owners}):
        to_remove = {each for each in flow_ids if others.owners.get(each) == key}

        def without(value: dict[str, Any], to_remove: set[FlowId] = to_remove) -> list[_Entry]:
            taken: list[_Entry] = []
            for entries in _lists(value):
                taken += [each for each in entries if _resource_of(each) in to_remove]
                entries[:] = [each for each in entries if _resource_of(each) not in to_remove]
            return taken

        taken = _rewrite(kv, key, without, lock_timeout)
        if taken:
            found.append(RemovedEntries(key, tuple(taken)))
    return tuple(found)


def return_entries(
    kv: Kv,
    removed: Collection[RemovedEntries],
    flow_ids: Collection[FlowId],
    *,
    lock_timeout: float,
) -> None:
    """Put removed entries back: the flows are again as the other repository deployed them.

    :raises ConflictError: an apply of such an inventory is running, or wrote it in the meantime.
    :raises KestraError: one could not be stored.
    """
    for each in removed:
        back = [entry for entry in each.entries if _resource_of(entry) in flow_ids]

        def added(value: dict[str, Any], back: list[_Entry] = back) -> list[_Entry]:
            there = {_resource_of(entry) for entry in value.setdefault("resources", [])}
            new = [entry for entry in back if _resource_of(entry) not in there]
            value["resources"] += [entry for entry in new if "path" in entry]
            return new

        if back:
            _rewrite(kv, each.key, added, lock_timeout)


def _rewrite(
    kv: Kv,
    key: KvKey,
    change: Callable[[dict[str, Any]], list[_Entry]],
    lock_timeout: float,
) -> list[_Entry]:
    """Change an inventory as it is stored, so that nothing else in it is lost.

    :param change: changes it in place, and returns the entries that it removed or added.
    """
    lock = Lock(kv, InventoryLocation(key.namespace, name_of(key)), timeout=lock_timeout)
    where = f"the inventory {key.key} in {key.namespace}"
    try:
        lock.acquire()
        try:
            value = record_at(kv, key.namespace, key.key)
        except (NotFound, Gone):
            return []
        before = from_json(value, where)
        changed = change(value)
        if not changed:
            return []
        value["generation"] = before.generation + 1
        value["nonce"] = uuid.uuid4().hex
        put_record(kv, key.namespace, key.key, value)
        if from_json(record_at(kv, key.namespace, key.key), where).nonce != value["nonce"]:
            raise StaleRecordError(where)
        return changed
    finally:
        lock.release()


def _lists(value: dict[str, Any]) -> list[list[_Entry]]:
    intent = value.get("intent") or {}
    return [each for each in (value.get("resources"), intent.get("writes")) if each]


def _resource_of(entry: _Entry) -> ResourceId | None:
    """The resource of an entry; ``None`` for a kind that this version does not know."""
    try:
        kind = Kind(str(entry.get("kind")))
    except ValueError:
        return None
    return ResourceId(str(entry.get("namespace")), str(entry.get("id")), kind)
