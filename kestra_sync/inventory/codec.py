"""An inventory as JSON, and back.

``format`` is the version that wrote it, ``min_reader`` the oldest that understands it: a member
that may be ignored raises only the first. Kestra's KV store drops members that are ``null``, so
absent and ``null`` mean the same. Unknown kinds of resources are refused rather than lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kestra_sync.errors import RefusedError
from kestra_sync.inventory.record import Intent, Inventory, Resource, Run
from kestra_sync.model import FlowId, Scope, Target

FORMAT = 1


class InventoryError(RefusedError):
    """The record is there and cannot be used (exit 4)."""


def to_json(inventory: Inventory) -> dict[str, Any]:
    """The JSON value of an inventory; resources sorted, members that say nothing left out."""
    return _without_nothing(
        {
            "format": FORMAT,
            "min_reader": FORMAT,
            "name": inventory.name,
            "target": _without_nothing(vars(inventory.target)),
            "repository": inventory.repository,
            "scope": list(inventory.scope.namespaces),
            "exact": inventory.scope.exact or None,
            "generation": inventory.generation,
            "commit": inventory.commit,
            "branch": inventory.branch,
            "time": inventory.time,
            "intent": None if inventory.intent is None else _intent_json(inventory.intent),
            "resources": [
                _resource_json(inventory.resources[key]) for key in sorted(inventory.resources)
            ],
            "history": [_without_nothing(vars(run)) for run in inventory.history],
        }
    )


def from_json(value: Any) -> Inventory:
    """The inventory of a JSON value.

    :raises InventoryError: it is none, or a newer kestra-sync wrote it.
    """
    if not isinstance(value, dict) or not isinstance(value.get("format"), int):
        raise InventoryError(
            "the inventory is no inventory",
            remedy="look at the key in Kestra's KV store; deleting it loses ownership, not flows",
        )
    needed = value.get("min_reader", value["format"])
    if not isinstance(needed, int) or needed > FORMAT:
        raise InventoryError(
            f"the inventory was written by a newer kestra-sync (format {needed}, we read {FORMAT})",
            remedy="upgrade kestra-sync",
        )
    try:
        return _inventory(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InventoryError(
            f"the inventory is damaged: {type(error).__name__} {error}",
            remedy="look at the key in Kestra's KV store; deleting it loses ownership, not flows",
        ) from error


def _inventory(value: Mapping[str, Any]) -> Inventory:
    target = value["target"]
    intent = value.get("intent")
    resources = [_resource(each) for each in value.get("resources", ())]
    return Inventory(
        name=str(value["name"]),
        target=Target(str(target["url"]), str(target["tenant"]), target.get("environment")),
        repository=str(value.get("repository") or ""),
        scope=Scope(tuple(map(str, value.get("scope", ()))), bool(value.get("exact"))),
        generation=int(value.get("generation", 0)),
        commit=value.get("commit"),
        branch=value.get("branch"),
        time=str(value.get("time") or ""),
        intent=None if intent is None else _intent(intent),
        resources={each.flow_id: each for each in resources},
        history=tuple(_run(each) for each in value.get("history", ())),
    )


def _intent_json(intent: Intent) -> dict[str, Any]:
    return _without_nothing(
        {
            "time": intent.time,
            "commit": intent.commit,
            "writes": [
                {"kind": "flow", "namespace": key.namespace, "id": key.id, "delete": True}
                if resource is None
                else _resource_json(resource)
                for key, resource in sorted(intent.writes.items())
            ],
        }
    )


def _intent(value: Mapping[str, Any]) -> Intent:
    writes: dict[FlowId, Resource | None] = {}
    for each in value.get("writes", ()):
        flow_id = FlowId(str(each["namespace"]), str(each["id"]))
        writes[flow_id] = None if each.get("delete") else _resource(each)
    return Intent(str(value.get("time") or ""), value.get("commit"), writes)


def _resource_json(resource: Resource) -> dict[str, Any]:
    sent = resource.sent_sha256
    return _without_nothing(
        {
            "kind": "flow",
            "namespace": resource.flow_id.namespace,
            "id": resource.flow_id.id,
            "path": resource.path,
            "file_sha256": resource.file_sha256,
            # Equal for nearly all: a third of the record's size.
            "sent_sha256": None if sent == resource.file_sha256 else sent,
            "revision": resource.revision,
            "kept_off": resource.kept_off or None,
        }
    )


def _resource(value: Mapping[str, Any]) -> Resource:
    if value["kind"] != "flow":
        raise ValueError(f"unknown kind of resource: {value['kind']}")
    revision = value.get("revision")
    return Resource(
        flow_id=FlowId(str(value["namespace"]), str(value["id"])),
        path=str(value["path"]),
        file_sha256=str(value["file_sha256"]),
        sent_sha256=str(value.get("sent_sha256") or value["file_sha256"]),
        revision=None if revision is None else int(revision),
        kept_off=bool(value.get("kept_off")),
    )


def _run(value: Mapping[str, Any]) -> Run:
    return Run(
        generation=int(value["generation"]),
        time=str(value["time"]),
        commit=value.get("commit"),
        branch=value.get("branch"),
        result=str(value["result"]),
        counts={str(key): int(number) for key, number in value.get("counts", {}).items()},
    )


def _without_nothing(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if each is not None}
