"""Kestra's rules for inputs beyond their schema: defaults and dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kestra_sync.checks.tasks import as_list
from kestra_sync.findings import Finding, NodePath
from kestra_sync.repo.document import as_text
from kestra_sync.repo.quote import quoted


def check_inputs(flow: dict[str, Any]) -> Iterator[Finding]:
    """Defaults that contradict themselves; dependencies that lead nowhere or round in circles."""
    inputs = [
        (("inputs", index), item)
        for index, item in enumerate(as_list(flow.get("inputs")))
        if isinstance(item, dict)
    ]
    needs = {_id(item): _needs(item) for _, item in inputs}
    for path, item in inputs:
        yield from _defaults(path, item)
        for index, needed in enumerate(_needs(item)):
            here = (*path, "dependsOn", "inputs", index)
            if needed not in needs:
                yield Finding("input-depends-on", here, f"unknown input `{quoted(str(needed))}`")
            elif _reaches(needs, needed, _id(item)):
                yield Finding(
                    "input-depends-on",
                    here,
                    f"the input `{quoted(str(_id(item)))}` depends on itself",
                )


def _defaults(path: NodePath, item: dict[str, Any]) -> Iterator[Finding]:
    if item.get("defaults") is None:
        return
    if str(item.get("required", True)).strip().lower() == "false":
        yield Finding(
            "input-defaults",
            (*path, "required"),
            "an input with a default always has a value, so `required` cannot be false",
            "remove `required: false`, or use `prefill` instead of `defaults`",
        )
    if item.get("prefill") is not None:
        yield Finding(
            "input-defaults",
            (*path, "prefill"),
            "an input cannot have both `defaults` and `prefill`",
            "remove one of them",
        )


def _id(item: dict[str, Any]) -> str | None:
    return as_text(item.get("id", item.get("name")))


def _needs(item: dict[str, Any]) -> list[str | None]:
    depends_on = item.get("dependsOn")
    wanted = depends_on.get("inputs") if isinstance(depends_on, dict) else None
    return [as_text(name) for name in as_list(wanted)]


def _reaches(needs: dict[str | None, list[str | None]], start: str | None, end: Any) -> bool:
    """Whether ``start`` needs ``end``, directly or through others."""
    seen: set[str | None] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            pending.extend(needs.get(name, ()))
    return False
