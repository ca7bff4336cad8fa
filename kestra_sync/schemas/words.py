"""Readable messages for schema errors of our files (configuration, smoke tests)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from kestra_sync.findings import Finding, NodePath
from kestra_sync.schemas import SchemaError, errors
from kestra_sync.suggest import did_you_mean

#: Says what is wrong with a key that is not known: the error, the path to it, the key.
ExplainUnknown = Callable[[SchemaError, NodePath, str], Finding]


def findings(
    schema: str, value: Any, rules: str, whole: str, unknown: ExplainUnknown | None = None
) -> list[Finding]:
    """All schema errors of ``value``, without duplicates.

    :param rules: what the names of the rules begin with.
    :param whole: the name of the value itself, as in "the file must be a mapping".
    """
    found: dict[Finding, None] = {}
    for error in errors(schema, value):
        found.update(dict.fromkeys(_worded(error, rules, whole, unknown or _unknown(rules))))
    return list(found)


def _worded(
    error: SchemaError, rules: str, whole: str, unknown: ExplainUnknown
) -> Iterator[Finding]:
    if error.keyword == "additionalProperties" and error.argument is False:
        for key in error.unknown():
            yield unknown(error, (*error.path, key), key)
    elif error.keyword == "required":
        for key in error.missing():
            message, remedy = f"the key '{key}' is missing", f"add `{key}:`"
            yield Finding(f"{rules}-missing-key", error.path, message, remedy)
    elif error.of_name:
        below = _name(error.path[:-1], whole)
        message = f"a name below {below} must be {error.expected}{_shown(error.value, {})}"
        yield Finding(f"{rules}-value", error.path, message, at_key=True)
    else:
        message = f"{_name(error.path, whole)} must be {error.expected}"
        yield Finding(f"{rules}-value", error.path, message + _shown(error.value, error.rules))


def _unknown(rules: str) -> ExplainUnknown:
    def unknown(error: SchemaError, path: NodePath, key: str) -> Finding:
        known = list(error.rules.get("properties", ()))
        remedy = did_you_mean(key, known) or f"known keys: {', '.join(known)}"
        message = f"unknown key '{shortened(key)}'"
        return Finding(f"{rules}-unknown-key", path, message, remedy, at_key=True)

    return unknown


def shortened(text: str) -> str:
    """At most 60 characters of a text."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _name(path: NodePath, whole: str) -> str:
    """``limits.delete`` or ``scope[0]``; the whole value if there is no path."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return f"`{text.removeprefix('.')}`" if text else whole


def _shown(value: Any, rules: Any) -> str:
    """The invalid value; nothing if it is not a simple one."""
    if value is None:
        return ", but is empty"
    if isinstance(value, bool):
        return f", not {'true' if value else 'false'}"
    if isinstance(value, (int, float)):
        return f", not the number {value}"
    if isinstance(value, str):
        text = shortened(re.sub(r"//[^/\s]*@", "//", value))  # no credentials of a URL
        is_text = "string" in rules.get("type", "string")
        return f", not '{text}'" if is_text else f", not the text '{text}'"
    if isinstance(value, list):
        return ", not a list" if value else ", not an empty list"
    return ", not a mapping"
