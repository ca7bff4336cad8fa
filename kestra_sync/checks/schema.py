"""Validates the structure of a flow with a JSON Schema, with readable messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kestra_sync.findings import Finding, NodePath
from kestra_sync.repo.quote import quoted
from kestra_sync.schemas import SchemaError, errors
from kestra_sync.suggest import did_you_mean


def check_schema(flow: Any) -> Iterator[Finding]:
    """What the schema finds in a parsed flow."""
    seen: set[Finding] = set()
    for error in errors("flow", flow):
        for finding in _findings(error):
            # Two keywords (a pattern and a length) may refuse one value; one word is enough.
            if finding not in seen:
                seen.add(finding)
                yield finding


def _findings(error: SchemaError) -> Iterator[Finding]:
    path, keyword, rules = error.path, error.keyword, error.rules
    rule = str(rules.get("x-rule", "flow-schema"))
    if keyword == "required":
        for key in error.missing():
            yield Finding("flow-missing-property", path, f"`{key}` is missing")
    elif keyword == "additionalProperties":
        for key in error.unknown():
            yield _unknown(path, key, list(rules["properties"]))
    elif keyword == "enum":
        yield _not_allowed(path, error.value, list(error.argument))
    elif keyword == "minItems":
        yield Finding(rule, path, f"{_name(path)} must not be empty")
    elif error.of_name:
        # The error is that of the mapping; its key is what is wrong.
        yield Finding(rule, path, _label(error.value, keyword, rules), at_key=True)
    elif rule == "flow-label" and keyword == "not":
        yield Finding(rule, path, _label(error.value, keyword, rules))
    else:
        message = f"{_name(path)} must be {error.expected}, not {shown(error.value)}"
        yield Finding(rule, path, message)


def _unknown(path: NodePath, key: str, known: list[str]) -> Finding:
    return Finding(
        "flow-unknown-property",
        (*path, key),
        f"unknown property `{quoted(key)}`",
        did_you_mean(key, known) or "remove it",
        at_key=True,
    )


def _not_allowed(path: NodePath, value: Any, allowed: list[str]) -> Finding:
    return Finding(
        "flow-unknown-value",
        path,
        f"{_name(path)} must be one of {', '.join(allowed)}, not {shown(value)}",
        did_you_mean(str(value), allowed),
    )


def _label(key: Any, keyword: str, rules: Mapping[str, Any]) -> str:
    if keyword == "not":
        return f"{shown(key)}: labels that begin with `system.` are set by Kestra itself"
    return f"{shown(key)} is not {rules.get('x-expected')}"


def _name(path: NodePath) -> str:
    if not path:
        return "a flow"
    last = path[-1]
    return f"`{quoted(last)}`" if isinstance(last, str) else "the item"


def shown(value: Any) -> str:
    """A value as shown in a message: short, and on one line."""
    match value:
        case None:
            return "null"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return f"`{quoted(value)}`" if value else "empty text"
    return f"`{quoted(json.dumps(value))}`"
