"""Warnings about what Kestra accepts, but is most likely a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.checks.schema import shown
from kestra_sync.checks.tasks import as_list, task_lists
from kestra_sync.findings import Finding

# Seen as `deprecationPaths` in the answers of Kestra 1.3.
_DEPRECATED = {
    "listeners": "use `afterExecution`, or a flow trigger",
    "taskDefaults": "use `pluginDefaults`",
}
_SERVER = ("revision", "deleted", "tenantId", "source", "updated")
_INPUT_TYPES = {"ENUM": "SELECT", "BOOLEAN": "BOOL"}
_INPUT_PROPERTIES = {
    "name": "use `id`",
    "options": "use `values`",
    "extension": "use `allowedFileExtensions`",
}


def check_advice(flow: dict[str, Any]) -> Iterator[Finding]:
    """Deprecated words, properties of the server, and list items that Kestra leaves out."""
    for key in flow:
        if key in _DEPRECATED:
            yield Finding("deprecated", (key,), f"`{key}` is deprecated", _DEPRECATED[key], True)
        elif key in _SERVER:
            yield Finding(
                "server-property", (key,), f"`{key}` is set by the server", "remove it", True
            )
    yield from _inputs(flow)
    triggers = (("triggers",), as_list(flow.get("triggers")))
    for path, items in (*task_lists(flow), triggers):
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                yield Finding(
                    "not-a-task", (*path, index), f"Kestra ignores this item: {shown(item)}"
                )


def _inputs(flow: dict[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(as_list(flow.get("inputs"))):
        if not isinstance(item, dict):
            continue
        kind = item.get("type")
        if isinstance(kind, str) and kind in _INPUT_TYPES:
            better = f"use `{_INPUT_TYPES[kind]}`"
            path = ("inputs", index, "type")
            yield Finding("deprecated", path, f"the type `{kind}` is deprecated", better)
        for key, better in _INPUT_PROPERTIES.items():
            if key in item:
                path = ("inputs", index, key)
                yield Finding("deprecated", path, f"`{key}` is deprecated", better, True)
