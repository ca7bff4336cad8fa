"""Edits the record: renames it, moves it, or removes flows from it. Does not write flows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from kestra_sync.apply.keeper import (
    RecordKeeper,
    StaleRecordError,
    check_unchanged,
    delete_record,
    put_record,
)
from kestra_sync.apply.lock import Lock
from kestra_sync.client.kv import Kv
from kestra_sync.errors import RefusedError
from kestra_sync.inventory.codec import to_json
from kestra_sync.inventory.read import SEARCH, InventoryLocation, read_inventory
from kestra_sync.inventory.record import Inventory, now
from kestra_sync.model import FlowId, counted


def rename_record(
    kv: Kv,
    old: InventoryLocation,
    new: InventoryLocation,
    expected: Inventory,
    *,
    lock_timeout: float,
) -> None:
    """Store the record under a new name, and remove it under the old one.

    Repeating the call completes a run that was killed halfway: the record then exists under both
    names, with the same flows.

    :raises RefusedError: a different record has the new name.
    :raises ConflictError: an apply of either name is running, or ran since ``expected`` was read.
    :raises KestraError: it could not be stored or removed.
    """
    with _locked(kv, old, lock_timeout), _locked(kv, new, lock_timeout):
        check_unchanged(kv, old, expected)
        there = read_inventory(kv, new)
        if there is not None and there.resources != expected.resources:
            raise RefusedError(
                f"the inventory {new.full_name!r} already exists in {new.namespace}, with "
                f"{counted(there.resources)}",
                remedy="choose another name, or take its flows over with 'apply --take-over'",
            )
        renamed = replace(
            expected,
            name=new.name,
            target=replace(expected.target, environment=new.environment),
            generation=expected.generation + 1,
            nonce=uuid.uuid4().hex,
            time=now(),
            moved_from=None,
        )
        put_record(kv, new.namespace, new.key, to_json(renamed))
        check_unchanged(kv, new, renamed)
        delete_record(kv, old)


def move_record(
    kv: Kv,
    old: InventoryLocation,
    new: InventoryLocation,
    expected: Inventory,
    *,
    lock_timeout: float,
) -> None:
    """Store the record in another namespace, and remove it from the old one.

    :raises ConflictError: an apply is running, or ran since ``expected`` was read.
    :raises KestraError: it could not be stored or removed.
    """
    with _locked(kv, old, lock_timeout):
        RecordKeeper(kv, new, old, expected).store(expected)


def forget_in_record(
    kv: Kv,
    at: InventoryLocation,
    expected: Inventory,
    flow_ids: Collection[FlowId],
    *,
    lock_timeout: float,
) -> None:
    """Remove flows from the record. They stay on the server, without an owner.

    :raises ConflictError: an apply is running, or ran since ``expected`` was read.
    :raises KestraError: it could not be stored.
    """
    resources = {key: each for key, each in expected.resources.items() if key not in flow_ids}
    intent = expected.intent
    if intent is not None:
        writes = {key: each for key, each in intent.writes.items() if key not in flow_ids}
        intent = replace(intent, writes=writes) if writes or intent.unknown else None
    with _locked(kv, at, lock_timeout):
        RecordKeeper(kv, at, at, expected).store(
            replace(expected, resources=resources, intent=intent)
        )


def remove_record(
    kv: Kv, at: InventoryLocation, before: Callable[[Inventory], bool], *, lock_timeout: float
) -> bool:
    """Remove a record without flows, with all of its keys.

    :param before: called under the lock with the record; if it returns false, the record is kept.
    :returns: whether the record is gone.
    :raises ConflictError: an apply is running, or has written something since.
    :raises KestraError: it could not be removed.
    """
    with _locked(kv, at, lock_timeout):
        there = read_inventory(kv, at)
        if there is not None:
            if there.resources or there.unknown:
                raise StaleRecordError(f"the inventory {at.full_name!r}")
            if not before(there):
                return False
        for entry in kv.search(SEARCH):
            # The run keys of a longer inventory name contain one more dot.
            nonce = entry.key.removeprefix(at.run_key(""))
            if entry.namespace == at.namespace and nonce != entry.key and "." not in nonce:
                kv.delete(entry.namespace, entry.key)
        kv.delete(at.namespace, at.key)
        return read_inventory(kv, at) is None


@contextmanager
def _locked(kv: Kv, place: InventoryLocation, timeout: float) -> Iterator[None]:
    lock = Lock(kv, place, timeout=timeout)
    try:
        lock.acquire()
        yield
    finally:
        lock.release()
