"""Applies a patch to the value of a document; ``render.patch`` applies it to the text."""

from __future__ import annotations

from typing import Any

from kestra_sync.render.paths import Id, Index, Key, Step


def find(value: Any, steps: tuple[Step, ...]) -> tuple[Any, tuple[Step, ...]]:
    """Return the deepest existing node on the path ``steps``, and the remaining steps.

    ``labels`` may be a list of ``{key: …, value: …}``, whose items are found by ``key``.
    """
    for at, step in enumerate(steps):
        below = _child(value, step)
        if below is None:
            return value, steps[at:]
        value = below[0]
    return value, ()


def with_value(value: Any, steps: tuple[Step, ...], new: Any) -> tuple[Any] | None:
    """Return ``value`` with ``new`` at ``steps``, in a tuple; ``None`` if the path does not exist.

    A missing key and its parent mappings are added; an item of a list never is.
    """
    if not steps:
        return (new,)
    step, *rest = steps
    below = _child(value, step)
    if below is not None:
        inner = with_value(below[0], tuple(rest), new)
        return None if inner is None else (_replaced(value, step, inner[0]),)
    if not isinstance(step, Key) or not all(isinstance(each, Key) for each in rest):
        return None
    for each in reversed(rest):
        new = {each.name: new} if isinstance(each, Key) else new
    if value is None or isinstance(value, dict):
        return ({**(value or {}), step.name: new},)
    if is_pair_list(value) and not rest:
        return ([*value, {"key": step.name, "value": new}],)
    return None


def without(value: Any, steps: tuple[Step, ...]) -> tuple[Any] | None:
    """Return ``value`` without the node at ``steps``, in a tuple; ``None`` if it does not exist."""
    step, *rest = steps
    below = _child(value, step)
    if below is None:
        return None
    if rest:
        inner = without(below[0], tuple(rest))
        return None if inner is None else (_replaced(value, step, inner[0]),)
    if isinstance(value, dict):
        return ({key: each for key, each in value.items() if key != _name(step)},)
    at = _position(value, step)
    return ([each for index, each in enumerate(value) if index != at],)


def is_pair_list(value: Any) -> bool:
    """Return whether it is the older form of labels: a list of ``{key: …, value: …}``."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and set(each) == {"key", "value"} for each in value)
    )


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, including their types: ``1`` is not ``true``."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _name(step: Step) -> str:
    return "" if isinstance(step, Index) else step.name


def _child(value: Any, step: Step) -> tuple[Any] | None:
    if isinstance(step, Key) and isinstance(value, dict):
        return (value[step.name],) if step.name in value else None
    at = _position(value, step)
    if at is None:
        return None
    return (value[at]["value"],) if isinstance(step, Key) else (value[at],)


def _position(value: Any, step: Step) -> int | None:
    if not isinstance(value, list):
        return None
    if isinstance(step, Index):
        return step.number if step.number < len(value) else None
    if isinstance(step, Key) and not is_pair_list(value):
        return None
    key = "id" if isinstance(step, Id) else "key"
    for index, each in enumerate(value):
        name = each.get(key) if isinstance(each, dict) else None
        if isinstance(name, (str, int, float)) and str(name) == step.name:
            return index
    return None


def _replaced(value: Any, step: Step, new: Any) -> Any:
    if isinstance(value, dict):
        return {**value, _name(step): new}
    at = _position(value, step)
    made = {**value[at], "value": new} if at is not None and isinstance(step, Key) else new
    return [made if index == at else each for index, each in enumerate(value)]
