"""Features that were removed between Kestra releases, from 1.3 to 2.0.

The table is ``schemas/kestra-2.json``. Each row names its source, and
``tests/e2e/test_moving_to_2.py`` compares each row with a running server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from kestra_sync.errors import UsageError
from kestra_sync.findings import Finding, NodePath
from kestra_sync.repo.document import SECTIONS, as_list
from kestra_sync.safe.text import quoted

Release = tuple[int, int]

#: The releases that can be checked against.
KNOWN: tuple[Release, ...] = ((1, 3), (2, 0))


def release_of(text: str) -> Release:
    """Parse ``2.0``, ``v2.0.3`` or ``1.3`` to a release.

    :raises UsageError: the release is unknown.
    """
    match = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})(?:[.-].*)?", text.strip())
    release = (int(match[1]), int(match[2])) if match is not None else None
    if release not in KNOWN:
        known = " and ".join(f"{major}.{minor}" for major, minor in KNOWN)
        raise UsageError(
            f"--kestra: {quoted(text)} is not a supported version",
            remedy=f"supported: {known}",
        )
    return release


@cache
def table() -> Mapping[str, Any]:
    """Return the table of features that 1.3 has and 2.0 does not."""
    text = resources.files("kestra_sync").joinpath("schemas/kestra-2.json").read_text("utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


def is_new(finding: Finding, release: Release | None) -> bool:
    """Return whether an unknown property is new in Kestra 2.0."""
    if release is None or release < (2, 0) or not isinstance(finding.at, tuple):
        return False
    return bool(finding.at) and finding.at[-1] in table()["new"]


def check_release(flow: Any, release: Release) -> Iterator[Finding]:
    """Yield what ``release`` does not support in a flow of the other release."""
    if not isinstance(flow, dict):
        return
    if release < (2, 0):
        for key in table()["new"]:
            if key in flow:
                message = f"`{key}` is new in Kestra 2.0"
                yield Finding("flow-unknown-property", (key,), message, "remove it", True)
        return
    yield from _properties(flow, (), "flow")
    yield from _inputs(as_list(flow.get("inputs")), ("inputs",))
    for section in (*SECTIONS, "triggers"):
        kind = "trigger" if section == "triggers" else "task"
        yield from _below(flow.get(section), (section,), kind)


def _below(root: Any, at: NodePath, kind: str) -> Iterator[Finding]:
    types = {row["type"]: row for row in table()["types"]}
    stack: list[tuple[NodePath, Any]] = [(at, root)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, list):
            stack.extend(((*path, i), node[i]) for i in reversed(range(len(node))))
        elif isinstance(node, dict):
            type_ = node.get("type")
            if isinstance(type_, str):
                row = types.get(type_) or next(
                    (each for each in table()["prefixes"] if type_.startswith(each["prefix"])), None
                )
                if row is not None:
                    yield _removed((*path, "type"), f"the type `{quoted(type_)}`", row)
                elif "." in type_ and "condition" not in type_:
                    yield from _properties(node, path, kind, type_)
                if type_.endswith(".Pause"):
                    yield from _inputs(as_list(node.get("onResume")), (*path, "onResume"))
            stack.extend(((*path, key), node[key]) for key in reversed(node))


def _properties(node: Mapping[str, Any], path: NodePath, *holders: str) -> Iterator[Finding]:
    for row in table()["properties"]:
        if row["on"] in holders and row["property"] in node:
            yield _removed((*path, row["property"]), f"`{row['property']}`", row, at_key=True)


def _inputs(items: list[Any], path: NodePath) -> Iterator[Finding]:
    types = {row["inputType"]: row for row in table()["inputs"]}
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        here = (*path, index)
        yield from _properties(item, here, "input")
        for key in ("type", "itemType"):
            row = types.get(item[key]) if isinstance(item.get(key), str) else None
            if row is not None:
                yield _removed((*here, key), f"the input type `{row['inputType']}`", row)


def _removed(path: NodePath, what: str, row: Mapping[str, Any], *, at_key: bool = False) -> Finding:
    return Finding(
        "kestra-removed", path, f"not supported by Kestra 2.0: {what}", row["use"], at_key
    )
