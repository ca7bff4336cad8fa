"""Converts an inventory to JSON and back.

``format`` is the version that wrote it, ``min_reader`` the oldest version that can read it. A new
member that readers may ignore, such as the nonce, increases neither. Kestra drops members
that are ``null``, so absent and ``null`` mean the same. Resources of unknown kinds are kept as they
are. Anyone with write access to the KV store may have stored a record, so
each member is checked where it is read.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from kestra_sync.errors import RefusedError
from kestra_sync.inventory.record import (
    HistoryEntry,
    Intent,
    Inventory,
    PreviewRecord,
    Resource,
    short_name,
)
from kestra_sync.model import FlowId, Kind, ResourceId, Scope, Target

LOG = logging.getLogger("kestra_sync.inventory")

FORMAT = 1
MIN_READER = 1

#: Maximum nesting of a record; valid ones have four levels.
_DEEPEST = 32
_KINDS = frozenset(str(each) for each in Kind)


class InventoryError(RefusedError):
    """The record exists but cannot be used (exit 4)."""


def to_json(inventory: Inventory) -> dict[str, Any]:
    """Return the JSON value of an inventory, with sorted resources and without empty members."""
    return _without_nothing(
        {
            "format": FORMAT,
            "min_reader": MIN_READER,
            "name": inventory.name,
            "target": _without_nothing(vars(inventory.target)),
            "repository": inventory.repository,
            "scope": list(inventory.scope.namespaces),
            "exact": inventory.scope.exact or None,
            "generation": inventory.generation,
            "nonce": inventory.nonce or None,
            "moved_from": inventory.moved_from,
            "neighbours": [list(each) for each in inventory.neighbours] or None,
            "commit": inventory.commit,
            "branch": inventory.branch,
            "time": inventory.time,
            "intent": None if inventory.intent is None else _intent_json(inventory.intent),
            "resources": [
                *(_resource_json(inventory.resources[key]) for key in sorted(inventory.resources)),
                *inventory.unknown,
            ],
            "history": [_run_json(run) for run in inventory.history],
            "preview": None if inventory.preview is None else _preview_json(inventory.preview),
        }
    )


def is_inventory(value: Any) -> bool:
    """Return whether a JSON value is an inventory of any version."""
    return isinstance(value, dict) and _is_number(value.get("format"))


def from_json(value: Any, where: str = "the inventory") -> Inventory:
    """Parse an inventory.

    :param where: its name in messages.
    :raises InventoryError: it is not an inventory, it is corrupt, or a newer kestra-sync wrote it.
    """
    if not is_inventory(value):
        members = f" of {sorted(value)[:9]!r}" if isinstance(value, dict) else ""
        LOG.debug("%s holds a %s%s", where, type(value).__name__, members)
        raise InventoryError(f"{where} is not an inventory", remedy=_CHECK_KEY)
    needed = value.get("min_reader", value["format"])
    if not _is_number(needed) or needed > FORMAT:
        raise InventoryError(
            f"{where} was written by a newer kestra-sync (format {str(needed)[:20]}, this version "
            f"supports {FORMAT})",
            remedy="upgrade kestra-sync",
        )
    try:
        _check_sound(value)
        return _inventory(value)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InventoryError(
            f"{where} is corrupt: {type(error).__name__} {error}", remedy=_CHECK_KEY
        ) from error


def version_of(value: Any) -> tuple[int, str] | None:
    """Return the version of an inventory as JSON; ``None`` if it has to be parsed for that."""
    if not isinstance(value, dict):
        return None
    generation, nonce = value.get("generation"), value.get("nonce")
    if _is_number(generation) and isinstance(nonce, str) and nonce:
        return generation, nonce
    return None


_CHECK_KEY = "check the key in Kestra's KV store; deleting it loses ownership, not flows"


_SURROGATE = re.compile("[\ud800-\udfff]")


def _check_sound(value: Any) -> None:
    """Reject values that are valid JSON but cannot be stored again or printed.

    :raises ValueError: a number is not finite, a surrogate is unpaired, or nesting is too deep.
    """
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += [*each.keys(), *each.values()]
            elif isinstance(each, list):
                below += each
            elif isinstance(each, float) and not math.isfinite(each):
                raise ValueError("a number that is not finite")
            elif isinstance(each, str) and not each.isascii() and _SURROGATE.search(each):
                raise ValueError("text with an unpaired surrogate")
        if not below:
            return
        level = below
    raise ValueError(f"more than {_DEEPEST} levels of nesting")


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """Return a string.

    :raises TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {str(value)[:40]!r}")
    return value


def _maybe(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any) -> int:
    """Return an integer; Kestra returns some as ``1.0``.

    :raises TypeError: it is something else.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not _is_number(value):
        raise TypeError(f"expected a number, not {str(value)[:40]!r}")
    return int(value)


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects; empty if absent.

    :raises TypeError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise TypeError("expected a list of objects")
    return value


def _texts(value: Iterable[Any] | None) -> tuple[str, ...]:
    if value is not None and not isinstance(value, list):
        raise TypeError("expected a list")
    return tuple(_text(each) for each in value or ())


def _inventory(value: Mapping[str, Any]) -> Inventory:
    target = value["target"]
    intent = value.get("intent")
    entries = _objects(value.get("resources"))
    resources = [_resource(each) for each in entries if _is_known(each)]
    neighbours = value.get("neighbours") or ()
    return Inventory(
        name=_text(value["name"]),
        target=Target(
            _text(target["url"]), _text(target["tenant"]), _maybe(target.get("environment"))
        ),
        repository=_maybe(value.get("repository")) or "",
        scope=Scope(_texts(value.get("scope")), bool(value.get("exact"))),
        generation=_number(value.get("generation", 0)),
        commit=_maybe(value.get("commit")),
        branch=_maybe(value.get("branch")),
        time=_maybe(value.get("time")) or "",
        intent=None if intent is None else _intent(intent),
        resources={each.flow_id: each for each in resources},
        history=tuple(_run(each) for each in _objects(value.get("history"))),
        nonce=_maybe(value.get("nonce")) or "",
        neighbours=tuple((_text(namespace), _text(key)) for namespace, key in neighbours),
        moved_from=_maybe(value.get("moved_from")),
        unknown=tuple(each for each in entries if not _is_known(each)),
        preview=None if (preview := value.get("preview")) is None else _preview(preview),
    )


def _preview_json(preview: PreviewRecord) -> dict[str, Any]:
    past = [
        {"kind": str(each.kind), "namespace": each.namespace, "id": each.id}
        for each in sorted(preview.past)
    ]
    return _without_nothing({**vars(preview), "result": preview.result or None, "past": past})


def _preview(value: Mapping[str, Any]) -> PreviewRecord:
    past = _objects(value.get("past"))
    return PreviewRecord(
        _text(value["created"]),
        _maybe(value.get("expires")),
        _maybe(value.get("result")) or "",
        frozenset(_id(each) for each in past if _is_known(each)),
    )


def _intent_json(intent: Intent) -> dict[str, Any]:
    return _without_nothing(
        {
            "time": intent.time,
            "commit": intent.commit,
            "writes": _writes_json(intent.writes) + list(intent.unknown),
        }
    )


def _writes_json(writes: Mapping[FlowId, Resource | None]) -> list[dict[str, Any]]:
    return [
        {"kind": str(key.kind), "namespace": key.namespace, "id": key.id, "delete": True}
        if resource is None
        else _resource_json(resource)
        for key, resource in sorted(writes.items())
    ]


def _writes(
    value: Any,
) -> tuple[dict[FlowId, Resource | None], tuple[dict[str, Any], ...]]:
    """Parse the writes, and keep those of unknown kinds."""
    writes: dict[FlowId, Resource | None] = {}
    unknown = []
    for each in _objects(value):
        if not _is_known(each):
            unknown.append(each)
            continue
        flow_id = _id(each)
        writes[flow_id] = None if each.get("delete") else _resource(each)
    return writes, tuple(unknown)


def _intent(value: Mapping[str, Any]) -> Intent:
    writes, unknown = _writes(value.get("writes"))
    return Intent(_maybe(value.get("time")) or "", _maybe(value.get("commit")), writes, unknown)


def _resource_json(resource: Resource) -> dict[str, Any]:
    sent = resource.sent_sha256
    return _without_nothing(
        {
            "kind": str(resource.flow_id.kind),
            "namespace": resource.flow_id.namespace,
            "id": resource.flow_id.id,
            "path": resource.path,
            "file_sha256": resource.file_sha256,
            # Left out if equal, which nearly all are: it is a third of the record's size.
            "sent_sha256": None if sent == resource.file_sha256 else sent,
            "revision": resource.revision,
            "kept_off": resource.kept_off or None,
            "masked": resource.masked or None,
        }
    )


def _is_known(value: Mapping[str, Any]) -> bool:
    """Return whether this version can read the entry. Others are kept as they are.

    A later version may describe files and keys in another way; flows have always been the same.
    """
    kind = _text(value["kind"])
    return kind in _KINDS and (kind == Kind.FLOW or "id" in value)


def _id(value: Mapping[str, Any]) -> ResourceId:
    return ResourceId(_text(value["namespace"]), _text(value["id"]), Kind(value["kind"]))


def _resource(value: Mapping[str, Any]) -> Resource:
    revision = value.get("revision")
    return Resource(
        flow_id=_id(value),
        path=_text(value["path"]),
        file_sha256=_text(value["file_sha256"]),
        sent_sha256=_text(value.get("sent_sha256") or value["file_sha256"]),
        revision=None if revision is None else _number(revision),
        kept_off=bool(value.get("kept_off")),
        masked=bool(value.get("masked")),
    )


def _run_json(run: HistoryEntry) -> dict[str, Any]:
    replaced = None if run.replaced is None else _writes_json(run.replaced)
    left_out = {"dirty": run.dirty or None, "kinds": run.kinds or None}
    return _without_nothing({**vars(run), **left_out, "replaced": replaced})


def _run(value: Mapping[str, Any]) -> HistoryEntry:
    return HistoryEntry(
        generation=_number(value["generation"]),
        time=_text(value["time"]),
        commit=_maybe(value.get("commit")),
        branch=_maybe(value.get("branch")),
        result=_text(value["result"]),
        counts=_numbers(value.get("counts")),
        dirty=bool(value.get("dirty")),
        by=short_name(_maybe(value.get("by"))),
        replaced=_replaced(value.get("replaced")),
        rollback_to=None if value.get("rollback_to") is None else _number(value["rollback_to"]),
        kinds=_numbers(value.get("kinds")),
    )


def _numbers(value: Any) -> dict[str, int]:
    return {key: _number(number) for key, number in (value or {}).items()}


def _replaced(value: Any) -> dict[FlowId, Resource | None] | None:
    """Parse the replaced resources; ``None`` also if this version cannot restore them."""
    if value is None:
        return None
    writes, unknown = _writes(value)
    return None if unknown else writes


def _without_nothing(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if each is not None}
