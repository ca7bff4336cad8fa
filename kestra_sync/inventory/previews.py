"""Finds the records of previews, wherever in the tenant they are."""

from __future__ import annotations

from kestra_sync.client.errors import Gone, NotFound
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
from kestra_sync.model import Target
from kestra_sync.previews import PREFIX as ENVIRONMENT
from kestra_sync.previews import name_of


def find_previews(
    kv: KvReads, name: str, repository: str, target: Target, environment: str | None = None
) -> tuple[OtherRecord, ...]:
    """The records of all previews of ``name`` that this repository has on this server, sorted.

    :param name: that of the inventory, which all of them share.
    :param repository: ours; ``""`` if unknown.
    :param environment: only the preview that is this environment.
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
            and name_of(place.environment) is not None
            and inventory.target.tenant == target.tenant
            and server_of(inventory.target.url) == server_of(target.url)
        ):
            found.append(OtherRecord(place, inventory))
    return tuple(sorted(found, key=lambda each: (each.place.key, each.place.namespace)))
