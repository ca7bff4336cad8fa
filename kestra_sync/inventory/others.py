"""Reads the other inventories of the tenant: owners of flows, and previews."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kestra_sync.client.errors import Gone, NotCredible, NotFound
from kestra_sync.client.kv import KvKey
from kestra_sync.inventory.codec import InventoryError, from_json
from kestra_sync.inventory.read import (
    PREFIX,
    SEARCH,
    InventoryLocation,
    KvReads,
    OtherRecord,
    record_at,
    server_of,
)
from kestra_sync.inventory.record import Inventory
from kestra_sync.model import Base, FlowId, Scope, Target
from kestra_sync.previews import PREFIX as ENVIRONMENT
from kestra_sync.previews import name_of as preview_of

log = logging.getLogger(__name__)

#: Seconds between two reads of an implausible response. A server that indexes keys in the
#: background lists a new key with a delay.
_PAUSES = (0.2, 0.8, 2.0)


@dataclass(frozen=True)
class Others:
    """The other inventories of the tenant.

    :param owners: flow → key of the inventory that owns it.
    :param keys: the keys of all other inventories.
    :param runs: what unfinished runs of this inventory intended to write.
    :param whole: whether ``owners`` and ``keys`` were read.
    """

    owners: Mapping[FlowId, KvKey] = field(default_factory=dict)
    keys: tuple[KvKey, ...] = ()
    runs: Mapping[FlowId, tuple[Base, ...]] = field(default_factory=dict)
    whole: bool = True

    def name(self, flow_id: FlowId) -> str | None:
        """Return the name of the inventory that owns a flow."""
        owner = self.owners.get(flow_id)
        return None if owner is None else name_of(owner)


def name_of(key: KvKey) -> str:
    """Return the name of the inventory under a key, with its environment."""
    return key.key.removeprefix(PREFIX)


def read_others(
    kv: KvReads,
    at: InventoryLocation,
    ours: Inventory | None,
    *,
    witness: KvKey | None = None,
    only_runs: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Others:
    """Read all other inventories of the tenant.

    The list of keys is only trusted if it has the keys that are known to exist: that of our
    record, and ``witness``. With an empty or truncated response, flows of others would look
    unowned. An inventory that existed when our record was written but is not listed is read by
    its key.

    :param at: where our inventory is, or will be.
    :param ours: our inventory; ``None`` if there is none yet.
    :param witness: one more key that must be listed, such as that of our lock.
    :param only_runs: do not read the owners, only the unfinished runs of our inventory.
    :raises InventoryError: one cannot be parsed, so the flows that it owns are unknown.
    :raises NotCredible: the list is implausible.
    :raises KestraError: if the KV store cannot be read.
    """
    known = [] if witness is None else [witness]
    if ours is not None:
        known.append(KvKey(at.namespace, at.key))
    listed = _listed(kv, known, sleep)
    if only_runs:
        return Others(runs=_runs(kv, listed, at), whole=False)
    mine = {(at.namespace, at.key)}
    if ours is not None and ours.moved_from is not None:
        mine.add((ours.moved_from, at.key))  # the old copy of a move that was killed
    keys = {each for each in listed if each.key.startswith(PREFIX)}
    if ours is not None:
        keys |= {KvKey(namespace, key) for namespace, key in ours.neighbours}
    owners: dict[FlowId, KvKey] = {}
    there = []
    for entry in sorted(keys):
        if (entry.namespace, entry.key) in mine:
            continue
        value = _value(kv, entry)
        if value is None:
            continue
        inventory = from_json(value, f"the inventory {entry.key} in {entry.namespace}")
        there.append(entry)
        log.info("%s in %s owns %d flows", entry.key, entry.namespace, len(inventory.resources))
        for flow_id in inventory.bases():
            owners[flow_id] = entry
    return Others(owners, tuple(there), _runs(kv, listed, at))


def _listed(kv: KvReads, known: list[KvKey], sleep: Callable[[float], None]) -> tuple[KvKey, ...]:
    missing: list[KvKey] = []
    for pause in (*_PAUSES, None):
        listed = kv.search(SEARCH)
        missing = [each for each in known if each not in listed]
        if not missing:
            return listed
        if pause is not None:
            sleep(pause)
    raise NotCredible(
        f"the list of keys of the tenant lacks {missing[0].key} in {missing[0].namespace}, which "
        f"exists: the list is incomplete, so nothing was changed",
        remedy="run the command again; if that does not help, check the permissions of the "
        "account and any proxy in between",
    )


def _value(kv: KvReads, entry: KvKey) -> Any:
    """Read the value of a key; ``None`` if it no longer exists."""
    try:
        return record_at(kv, entry.namespace, entry.key)
    except (NotFound, Gone):
        return None


def _runs(
    kv: KvReads, listed: tuple[KvKey, ...], at: InventoryLocation
) -> dict[FlowId, tuple[Base, ...]]:
    """Return what unfinished runs of our inventory intended to write, by flow.

    Each run stores that under a separate key, which no other run writes: the record itself can be
    overwritten by a run that also believes that it holds the lock.
    """
    found: dict[FlowId, tuple[Base, ...]] = {}
    for entry in listed:
        if not entry.key.startswith(at.run_key("")) or entry.namespace != at.namespace:
            continue
        if "." in entry.key.removeprefix(at.run_key("")):
            continue  # a run of an inventory with a longer name
        value = _value(kv, entry)
        if value is not None:
            run = from_json(value, f"the run {entry.key} in {entry.namespace}")
            for flow_id, base in run.bases().items():
                found[flow_id] = (*found.get(flow_id, ()), base)
    return found


def with_runs(
    bases: Mapping[FlowId, Base], runs: Mapping[FlowId, tuple[Base, ...]], scope: Scope
) -> dict[FlowId, Base]:
    """Add what unfinished runs intended to write to ``bases``."""
    found = dict(bases)
    for flow_id, intended in runs.items():
        if not scope.covers(flow_id.namespace):
            continue
        for each in intended:
            old = found.get(flow_id)
            hashes = each.live_hashes if old is None else old.live_hashes | each.live_hashes
            found[flow_id] = replace(old or each, live_hashes=hashes)
    return found


def find_previews(
    kv: KvReads, name: str, repository: str, target: Target, environment: str | None = None
) -> tuple[OtherRecord, ...]:
    """Return the records of this repository's previews of ``name`` on this server, sorted.

    :param name: the name of the inventory, which all previews share.
    :param repository: ours; ``""`` if unknown.
    :param environment: only return the preview with this environment.
    :raises KestraError: the KV store cannot be read.
    """
    found = []
    for entry in kv.search(SEARCH):
        if not entry.key.startswith(f"{PREFIX}{name}.{ENVIRONMENT}"):
            continue
        if environment is not None and entry.key != f"{PREFIX}{name}.{environment}":
            continue
        try:
            value = record_at(kv, entry.namespace, entry.key)
            inventory = from_json(value, f"the inventory {entry.key} in {entry.namespace}")
        except (NotFound, Gone, InventoryError):
            continue
        place = InventoryLocation(entry.namespace, name, inventory.target.environment)
        ours = repository == inventory.repository or not (repository and inventory.repository)
        if (
            ours
            and inventory.name == name
            and place.key == entry.key
            and preview_of(place.environment) is not None
            and inventory.target.tenant == target.tenant
            and server_of(inventory.target.url) == server_of(target.url)
        ):
            found.append(OtherRecord(place, inventory))
    return tuple(sorted(found, key=lambda each: (each.place.key, each.place.namespace)))
