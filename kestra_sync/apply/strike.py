"""Removes flows from another inventory, so that ``--take-over`` leaves a single owner."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kestra_sync.apply.keeper import KvWrites, OvertakenError
from kestra_sync.apply.lock import Lock
from kestra_sync.client.errors import Gone, NotFound
from kestra_sync.client.values import KvKey
from kestra_sync.inventory.codec import from_json
from kestra_sync.inventory.others import Others, name_of
from kestra_sync.inventory.read import Place
from kestra_sync.model import FlowId


@dataclass(frozen=True)
class RemovedEntries:
    """What was taken out of an inventory.

    :param entries: the entries as they were stored.
    """

    key: KvKey
    entries: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """The name of the inventory."""
        return name_of(self.key)


def strike(
    kv: KvWrites, others: Others, flow_ids: Collection[FlowId], *, lock_timeout: float
) -> tuple[RemovedEntries, ...]:
    """Take ``flow_ids`` out of the inventories that own them, each under its own lock.

    :raises ConflictError: an apply of such an inventory is running, or wrote it meanwhile.
    :raises InventoryError: one cannot be understood.
    :raises KestraError: one could not be stored.
    """
    found = []
    for key in sorted({others.owners[each] for each in flow_ids if each in others.owners}):
        theirs = {each for each in flow_ids if others.owners.get(each) == key}

        def without(value: dict[str, Any], theirs: set[FlowId] = theirs) -> list[Any]:
            gone = []
            for entries in _lists(value):
                gone += [each for each in entries if _flow_of(each) in theirs]
                entries[:] = [each for each in entries if _flow_of(each) not in theirs]
            return gone

        gone = _rewrite(kv, key, without, lock_timeout)
        if gone:
            found.append(RemovedEntries(key, tuple(gone)))
    return tuple(found)


def give_back(
    kv: KvWrites,
    struck: Collection[RemovedEntries],
    flow_ids: Collection[FlowId],
    *,
    lock_timeout: float,
) -> None:
    """Put entries back: the flows are again what the other repository deployed.

    :raises ConflictError: an apply of such an inventory is running, or wrote it meanwhile.
    :raises KestraError: one could not be stored.
    """
    for each in struck:
        back = [entry for entry in each.entries if _flow_of(entry) in flow_ids]

        def added(value: dict[str, Any], back: list[Mapping[str, Any]] = back) -> list[Any]:
            there = {_flow_of(entry) for entry in value.setdefault("resources", [])}
            new = [entry for entry in back if _flow_of(entry) not in there]
            value["resources"] += [entry for entry in new if "path" in entry]
            return new

        if back:
            _rewrite(kv, each.key, added, lock_timeout)


def _rewrite(kv: KvWrites, key: KvKey, change: Any, lock_timeout: float) -> list[Any]:
    """Change an inventory as it is stored, so that nothing else in it is lost."""
    lock = Lock(kv, Place(key.namespace, name_of(key)), timeout=lock_timeout)
    where = f"the inventory {key.key} in {key.namespace}"
    try:
        lock.acquire()
        try:
            value = kv.get(key.namespace, key.key)
        except (NotFound, Gone):
            return []
        before = from_json(value, where)
        changed: list[Any] = change(value)
        if not changed:
            return []
        value["generation"] = before.generation + 1
        value["nonce"] = uuid.uuid4().hex
        kv.put(key.namespace, key.key, value, description="What kestra-sync applied.")
        if from_json(kv.get(key.namespace, key.key), where).nonce != value["nonce"]:
            raise OvertakenError(
                f"another run wrote {where} in the meantime", remedy="run the command again"
            )
        return changed
    finally:
        lock.release()


def _lists(value: dict[str, Any]) -> list[list[Any]]:
    intent = value.get("intent") or {}
    return [each for each in (value.get("resources"), intent.get("writes")) if each]


def _flow_of(entry: Mapping[str, Any]) -> FlowId | None:
    if entry.get("kind") != "flow":
        return None
    return FlowId(str(entry.get("namespace")), str(entry.get("id")))
