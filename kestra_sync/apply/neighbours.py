"""How an apply uses other inventories: checks ownership, and takes flows over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from kestra_sync.apply.record import Recorder
from kestra_sync.apply.rollback import Undo
from kestra_sync.apply.steps import Client, Done, Pace
from kestra_sync.apply.strike import RemovedEntries, give_back, strike
from kestra_sync.client.values import KvKey
from kestra_sync.errors import ConflictError, KestraSyncError
from kestra_sync.inventory.origin import Origin
from kestra_sync.inventory.others import Others, read_others
from kestra_sync.inventory.read import Place
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import FlowId, Plan


class Owned(Protocol):
    """Our inventory and where it lives; see :class:`kestra_sync.commands.ownership.Ownership`."""

    @property
    def place(self) -> Place: ...

    @property
    def at(self) -> Place: ...

    @property
    def take_over(self) -> bool: ...

    @property
    def inventory(self) -> Inventory | None: ...

    @property
    def origin(self) -> Origin: ...


def others_now(client: Client, plan: Plan, owned: Owned, recorder: Recorder) -> Others:
    """The other inventories once more, under the lock, if anything may be theirs.

    Our lock must be among the keys that the server lists: for the first apply of a name it is the
    one key that must be there.

    :raises ConflictError: a flow of the plan belongs to another inventory by now.
    :raises NotCredible: the list of keys is not believed.
    """
    perhaps = [each for each in plan.changes if each.perhaps_theirs]
    if not perhaps and owned.inventory is not None and not owned.take_over:
        return Others()
    others = read_others(
        client.kv,
        owned.at,
        owned.inventory,
        witness=KvKey(owned.at.namespace, owned.at.lock_key),
    )
    recorder.neighbours(others.keys)
    taken = [each.flow_id for each in perhaps if each.flow_id in others.owners]
    if taken and not owned.take_over:
        raise ConflictError(
            f"{taken[0]} now belongs to the inventory {others.name(taken[0])!r}, which was not "
            f"the case when the plan was created",
            remedy="run the command again to create a new plan",
        )
    return others


def take_over(
    client: Client, plan: Plan, owned: Owned, others: Others, pace: Pace
) -> tuple[RemovedEntries, ...]:
    """Take what we take over out of the other inventories.

    :raises ConflictError: an apply of one of them is running.
    :raises KestraError: one of them could not be stored.
    """
    if not owned.take_over:
        return ()
    ours = taken_over(plan, owned.inventory, others.owners)
    return strike(client.kv, others, ours, lock_timeout=pace.lock_timeout)


def taken_over(
    plan: Plan, inventory: Inventory | None, owners: Collection[FlowId]
) -> tuple[FlowId, ...]:
    """The flows of other inventories that ``--take-over`` makes ours, sorted."""
    touched = {each.flow_id for each in plan.changes if each.perhaps_theirs}
    if inventory is not None and not plan.partial:
        touched |= {each for each in inventory.resources if plan.scope.covers(each.namespace)}
    return tuple(sorted(each for each in touched if each in owners))


def given_back(client: Client, struck: tuple[RemovedEntries, ...], done: Done, pace: Pace) -> Done:
    """After a rollback the flows are what the other repository deployed, and its own again."""
    back = {each.change.flow_id for each in done.restored if each.undo is Undo.RESTORED}
    if not (back and struck):
        return done
    try:
        give_back(client.kv, struck, back, lock_timeout=pace.lock_timeout)
    except KestraSyncError as error:
        note = f"flows that were taken over could not be returned to their inventory: {error}"
        return replace(done, notes=(*done.notes, note), incomplete=True)
    return done


_TOLD = {
    "adopt": "Adopted {flows}.",
    "refresh": "Updated {flows} in the inventory.",
    "drop": "Removed {flows} from the inventory.",
    "move": "Moved the inventory to its new namespace.",
    "bind": "Took over the inventory.",
    "close": "Closed an unfinished run.",
}


def recorded(plan: Plan, struck: tuple[RemovedEntries, ...]) -> tuple[str, ...]:
    """What was recorded beside the writes, a sentence each."""
    found = [
        _TOLD[each.kind].format(flows=_flows(each.flows))
        for each in plan.record
        if each.kind in _TOLD
    ]
    for one in struck:
        number = len({(entry.get("namespace"), entry.get("id")) for entry in one.entries})
        found.append(f"Removed {_flows(number)} from the inventory {one.name!r}.")
    return tuple(found)


def _flows(number: int) -> str:
    return f"{number:,} flow{'' if number == 1 else 's'}"
