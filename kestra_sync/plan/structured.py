"""The structured changes of a flow for the JSON report: paths and values, not text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def structured_changes(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return the differences between two parsed flows, sorted by path.

    Lists whose items all have an ``id`` (tasks, inputs, triggers) are compared by it, so a new task
    is one addition and not a change of every task after it.

    :returns: one ``{"op": "add"|"remove"|"replace"|"reorder", "path": [...], "before"?, "after"?}``
        for each difference; a path has keys, ids, and indexes of items without an id.
    """
    # deepdiff costs 100 ms to import, and only the JSON report needs it.
    from deepdiff import DeepDiff

    old, new = _by_id(before), _by_id(after)
    found: list[dict[str, Any]] = list(_reordered(old, new, []))
    for kind, levels in DeepDiff(old, new, view="tree").items():
        operation = _OPERATIONS[kind]
        for level in levels:
            path = level.path(output_format="list", use_t2=operation == "add")
            entry: dict[str, Any] = {"op": operation, "path": path}
            if operation != "add":
                entry["before"] = _plain(level.t1)
            if operation != "remove":
                entry["after"] = _plain(level.t2)
            found.append(entry)
    return sorted(found, key=lambda entry: ([str(part) for part in entry["path"]], entry["op"]))


_OPERATIONS = {
    "values_changed": "replace",
    "type_changes": "replace",
    "dictionary_item_added": "add",
    "iterable_item_added": "add",
    "dictionary_item_removed": "remove",
    "iterable_item_removed": "remove",
}


class _ItemsById(dict[str, Any]):
    """A list of items with ids, as a mapping that is compared instead."""


def _by_id(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _by_id(item) for key, item in value.items()}
    if not isinstance(value, list):
        return _typed(value)
    ids = [item.get("id") if isinstance(item, dict) else None for item in value]
    if value and all(isinstance(id_, str) for id_ in ids) and len(set(ids)) == len(ids):
        return _ItemsById((str(item["id"]), _by_id(item)) for item in value)
    return [_by_id(item) for item in value]


class _Typed(str):
    """A boolean or a float: deepdiff aligns lists by ``==``, where ``False == 0``."""

    value: bool | float


def _typed(item: Any) -> Any:
    if not isinstance(item, bool | float):
        return item
    typed = _Typed(f"\0{type(item).__name__} {item!r}")
    typed.value = item
    return typed


def _plain(value: Any) -> Any:
    if isinstance(value, _Typed):
        return value.value
    if isinstance(value, _ItemsById):
        return [_plain(item) for item in value.values()]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _reordered(old: Any, new: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """Yield lists whose common items have a different order: they are equal as mappings."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return
    common = [key for key in old if key in new]
    if isinstance(old, _ItemsById) and isinstance(new, _ItemsById):
        now = [key for key in new if key in old]
        if common != now:
            yield {"op": "reorder", "path": path, "before": common, "after": now}
    for key in common:
        yield from _reordered(old[key], new[key], [*path, key])
