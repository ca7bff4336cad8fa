"""Ids that must be unique: of tasks (at any depth), triggers, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kestra_sync.checks.tasks import all_tasks, as_list
from kestra_sync.findings import Finding, NodePath
from kestra_sync.repo.document import as_text
from kestra_sync.repo.quote import quoted

LineOf = Callable[[NodePath], int]


def check_ids(flow: dict[str, Any], line_of: LineOf) -> Iterator[Finding]:
    """Find every duplicate id.

    :param line_of: the line in the file of a node, for the message.
    """
    yield from _unique("task", all_tasks(flow), line_of)
    for section, kind in (("triggers", "trigger"), ("inputs", "input"), ("outputs", "output")):
        items = enumerate(as_list(flow.get(section)))
        yield from _unique(kind, (((section, i), item) for i, item in items), line_of)


def _unique(kind: str, items: Iterable[tuple[NodePath, Any]], line_of: LineOf) -> Iterator[Finding]:
    seen: dict[str, NodePath] = {}
    for path, item in items:
        if not isinstance(item, dict):
            continue
        # `name` is the old word for the id of an input.
        key = "name" if kind == "input" and "id" not in item else "id"
        name = as_text(item.get(key))
        if name is None:
            continue
        first = seen.setdefault(name, (*path, key))
        if first != (*path, key):
            yield Finding(
                f"duplicate-{kind}-id",
                (*path, key),
                f"the {kind} id `{quoted(name)}` is already used on line {line_of(first)}",
                "rename one of them",
            )
