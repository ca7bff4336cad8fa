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

#: Shown what is about to be done; false keeps it from being done.
ConfirmChanges = Callable[[Sequence[str]], bool]

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class RecordEdit:
    """A manual change of the record, made or declined.

    :param changes: what was to be done, a sentence each; empty if there was nothing to do.
    :param done: whether it was done; false if the answer was no.
    """

    changes: tuple[str, ...]
    done: bool

    @property
    def exit_code(self) -> ExitCode:
        """1 if the answer was no, else 0."""
        return ExitCode.OK if self.done or not self.changes else ExitCode.FAILURE


def place_in(settings: Settings) -> InventoryLocation:
    """Where the inventory of a configured repository belongs; no file is read for it.

    :raises UsageError: without a name and a scope.
    """
    if settings.scope is None and settings.inventory_namespace is None:
        raise UsageError(
            "no namespace is set to look for the inventory in",
            remedy="add `scope:` to kestra-sync.yaml, or pass --namespace",
        )
    return place_of(settings, settings.scope or Scope(()))


def look_up(client: KestraClient, settings: Settings) -> Lookup:
    """Find our inventory, wherever in the tenant it is.

    :raises UsageError: without a name and a scope.
    :raises InventoryError: it is there and cannot be used.
    :raises KestraError: if it cannot be read.
    """
    wanted = place_in(settings)
    scope = settings.scope or Scope((wanted.namespace,))
    client.server_info()  # reports a server that is too old
    return find_inventory(client.kv, wanted, scope, origin().repository)


def show_inventory(settings: Settings) -> Lookup:
    """Our inventory, and where it is.

    :raises UsageError: without a name and a scope.
    :raises InventoryError: it is there and cannot be used.
    :raises KestraError: if it cannot be read.
    """
    with connect(settings.connection, settings.parallelism) as client:
        return look_up(client, settings)


def take_lock_away(
    settings: Settings, confirm: Callable[[str, str], bool]
) -> tuple[InventoryLocation, Holder | None, bool]:
    """Remove the lock of a run that is dead, if ``confirm`` says so.

    :param confirm: told who holds it, and since when.
    :returns: whose lock, who held it, and whether it was removed.
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
    """Give the record another name, or another environment, or both.

    :param old: its present name, with the environment: ``flows.prod``.
    :param new: the new one, written the same way.
    :raises UsageError: a name that cannot be one, or no such inventory.
    :raises RefusedError: it is another repository's, or the new name is taken.
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
    """Take flows out of the record; they stay on the server.

    :param flows: their names, ``namespace/id``.
    :raises UsageError: there is no inventory, or it does not list one of them.
    :raises RefusedError: it is another repository's.
    :raises KestraError: if it cannot be read or stored.
    """
    from kestra_sync.apply.record_edits import forget_in_record

    with connect(settings.connection, settings.parallelism) as client:
        found = _ours(client, settings)
        owned = found.inventory.bases()
        wanted: list[FlowId] = []
        for name in dict.fromkeys(flows):
            flow_id = resource_named(name)
            if flow_id not in owned:
                raise UsageError(
                    f"the inventory {found.place.full_name!r} does not list {name}",
                    remedy="see 'kestra-sync inventory'; write names as they are listed there",
                )
            wanted.append(flow_id)
        changes = tuple(
            f"Remove {each} from the inventory {found.place.full_name!r}. It stays on the server."
            for each in wanted
        )
        if not confirm(changes):
            return RecordEdit(changes, done=False)
        forget_in_record(
            client.kv, found.place, found.inventory, wanted, lock_timeout=settings.lock_timeout
        )
        return RecordEdit(changes, done=True)


def move_inventory(settings: Settings, namespace: str, confirm: ConfirmChanges) -> RecordEdit:
    """Keep the record in another namespace.

    :raises UsageError: there is no inventory, or this cannot be a namespace.
    :raises RefusedError: it is another repository's, or there is one already.
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
            f"the inventory {found.wanted.full_name!r} does not exist yet",
            remedy="see 'kestra-sync inventory'; the first apply creates it",
        )
    ours = OtherRecord(found.at, found.inventory)
    _check(client, settings, ours)
    return ours


def _check(client: KestraClient, settings: Settings, found: OtherRecord) -> None:
    target = target_of(client, found.place.environment)
    check_owner(found.inventory, origin().repository, target, take_over=settings.take_over)


def _named(client: KestraClient, settings: Settings, name: str) -> OtherRecord:
    """The inventory of that full name that has to do with our scope.

    :raises UsageError: there is none, or more than one.
    """
    wanted = place_in(settings)
    scope = settings.scope or Scope((wanted.namespace,))
    found = [
        each
        for each in _all_named(client.kv, name)
        if in_common(scope, each.inventory) or each.place.namespace == wanted.namespace
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
                continue  # the dots are to be read another way, or it cannot be used
            if inventory is not None:
                found.append(OtherRecord(place, inventory))
                break
    return found


def _places(namespace: str, name: str) -> list[InventoryLocation]:
    """All ways to read ``a.b.c`` as a name and an environment."""
    parts = name.split(".")
    cuts = range(len(parts) - 1, 0, -1)
    divided = [
        InventoryLocation(namespace, ".".join(parts[:cut]), ".".join(parts[cut:])) for cut in cuts
    ]
    return [InventoryLocation(namespace, name), *divided]


def _renamed(settings: Settings, found: OtherRecord, new: str) -> InventoryLocation:
    """The place of the new name: what is configured if it is that, else the same environment."""
    wanted = place_in(settings)
    if wanted.full_name == new:
        return wanted
    environment = found.place.environment
    if environment is not None and new.endswith(f".{environment}"):
        return InventoryLocation(
            found.place.namespace, new.removesuffix(f".{environment}"), environment
        )
    return InventoryLocation(found.place.namespace, new)
