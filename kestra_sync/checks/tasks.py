"""The tasks of a flow, at any depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.findings import NodePath

SECTIONS = ("tasks", "errors", "finally", "afterExecution")

# Only Kestra's own flowable tasks hold tasks; `tasks` of another plugin (a Databricks job, a
# Kubernetes pod) is something else.
_FLOWABLE = ("io.kestra.plugin.core.flow.", "io.kestra.core.tasks.flows.")
_CHILDREN = ("tasks", "then", "else", "defaults", "errors", "finally")


def all_tasks(flow: dict[str, Any]) -> Iterator[tuple[NodePath, dict[str, Any]]]:
    """Every mapping in a place of a task, with its path, in the order of the document."""
    for section, value in flow.items():
        if section in SECTIONS:
            yield from _of_list(value, (section,))
        elif section == "listeners":
            for index, listener in enumerate(as_list(value)):
                if isinstance(listener, dict):
                    yield from _of_list(listener.get("tasks"), (section, index, "tasks"))


def task_lists(flow: dict[str, Any]) -> Iterator[tuple[NodePath, list[Any]]]:
    """The lists of tasks in which something else than a task would go unseen."""
    for section in SECTIONS:
        yield (section,), as_list(flow.get(section))
    for path, task in all_tasks(flow):
        yield from _child_lists(task, path)


def as_list(value: Any) -> list[Any]:
    """The value if it is a list; the schema says so where it is not."""
    return value if isinstance(value, list) else []


def _of_list(value: Any, path: NodePath) -> Iterator[tuple[NodePath, dict[str, Any]]]:
    stack = [((*path, index), task) for index, task in enumerate(as_list(value))][::-1]
    while stack:
        here, task = stack.pop()
        if not isinstance(task, dict):
            continue
        if "task" in task and "type" not in task:  # an entry of a Dag
            stack.append(((*here, "task"), task["task"]))
            continue
        yield here, task
        children = [
            ((*child, index), item)
            for child, items in _child_lists(task, here)
            for index, item in enumerate(items)
        ]
        stack.extend(reversed(children))


def _child_lists(task: dict[str, Any], path: NodePath) -> Iterator[tuple[NodePath, list[Any]]]:
    kind = task.get("type")
    if not isinstance(kind, str) or not kind.startswith(_FLOWABLE):
        return
    for key, value in task.items():
        if key in _CHILDREN:
            yield (*path, key), as_list(value)
        elif key == "cases" and isinstance(value, dict):
            for case, items in value.items():
                yield (*path, key, case), as_list(items)
