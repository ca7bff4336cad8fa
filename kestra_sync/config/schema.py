"""Hold a configuration against its JSON Schema, and say what is wrong in words.

``jsonschema`` takes longer to import than most commands to run, and its messages speak of schemas.
So this walks the file along the schema by itself; it knows just the keywords that
``schemas/config.json`` uses, and the tests hold it against ``jsonschema``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kestra_sync.config.suggest import unknown_key

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, at a node of the file or (with ``at_key``) at its key."""

    rule: str
    path: Path
    message: str
    remedy: str | None = None
    at_key: bool = False


@cache
def config_schema() -> Mapping[str, Any]:
    """The schema, as it is shipped."""
    text = (files("kestra_sync") / "schemas" / "config.json").read_text(encoding="utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``schema`` with its reference followed; what stands beside the reference wins."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target = config_schema()["$defs"][reference.removeprefix("#/$defs/")]
    return {**resolve(target), **{key: schema[key] for key in schema if key != "$ref"}}


def faults(value: Any) -> Iterator[Fault]:
    """Everything about ``value``, a whole file, that the schema does not allow."""
    return _faults(value, config_schema(), ())


def _faults(value: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    schema = resolve(schema)
    if not _fits(value, schema):
        yield Fault(
            "config-value",
            path,
            f"{_name(path)} must be {schema['x-expected']}{_shown(value, schema)}",
        )
    elif isinstance(value, dict):
        yield from _members(value, schema, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, schema["items"], (*path, index))


def _members(value: dict[str, Any], schema: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    for key in schema.get("required", ()):
        if key not in value:
            yield Fault("config-missing-key", path, f"the key '{key}' is missing", f"add `{key}:`")
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames")
    for key, item in value.items():
        here = (*path, key)
        if key in known:
            yield from _faults(item, known[key], here)
        elif others is False:
            rule, message, remedy = unknown_key(key, known, config_schema(), resolve)
            yield Fault(rule, here, message, remedy, at_key=True)
        else:
            if names is not None and not _fits(key, resolve(names)):
                expected = resolve(names)["x-expected"]
                yield Fault(
                    "config-value",
                    here,
                    f"a name below {_name(path)} must be {expected}{_shown(key, {})}",
                    at_key=True,
                )
            if others is not True:
                yield from _faults(item, others, here)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
}


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether the node itself is as it must be, whatever is below it."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_TYPES[name](value) for name in types):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        pattern = schema.get("pattern", "")
        shortest: int = schema.get("minLength", 0)
        longest: int = schema.get("maxLength", len(value))
        # JSON Schema's `$` is the very end; Python's lets a line break follow.
        matches = re.search(pattern.replace("$", r"\Z"), value) is not None
        return matches and shortest <= len(value) <= longest
    if isinstance(value, list):
        fewest: int = schema.get("minItems", 0)
        return len(value) >= fewest
    if isinstance(value, int):
        least: int = schema.get("minimum", value)
        most: int = schema.get("maximum", value)
        return least <= value <= most
    return True


def _name(path: Path) -> str:
    """``limits.delete`` or ``scope[0]``; the whole file if there is no path."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return f"`{text.removeprefix('.')}`" if text else "the file"


def _shown(value: Any, schema: Mapping[str, Any]) -> str:
    """The value that is not right; nothing if it is no simple one."""
    if value is None:
        return ", but is empty"
    if isinstance(value, bool):
        return f", not {'true' if value else 'false'}"
    if isinstance(value, (int, float)):
        return f", not the number {value}"
    if isinstance(value, str):
        text = re.sub(r"//[^/\s]*@", "//", value)  # no credentials of a URL
        quoted = f"'{text if len(text) <= 60 else text[:57] + '...'}'"
        return (
            f", not {quoted}"
            if "string" in schema.get("type", "string")
            else (f", not the text {quoted}")
        )
    if isinstance(value, list):
        return ", not a list" if value else ", not an empty list"
    return ", not a mapping"
