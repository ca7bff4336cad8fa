"""The included JSON Schemas, and the only function that validates against them.

If ``jsonschema-rs`` is installed, it determines whether a value is valid: it is a hundred times as
fast as ``jsonschema``, and imported in a quarter of the time. The errors always come from
``jsonschema``, so the findings do not depend on what is installed. For our own files
(configuration, smoke tests) they are reworded here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any

from kestra_sync.findings import Finding, NodePath
from kestra_sync.suggest import did_you_mean

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


@dataclass(frozen=True)
class SchemaError:
    """A keyword that does not allow a value.

    :param path: the node with the value, including the name of a member that is not allowed.
    :param keyword: such as ``required``; ``argument`` is its value in the schema.
    :param rules: the schema with the keyword and its ``x-expected``.
    :param of_name: the error is about the name of a member, not about its value.
    """

    path: NodePath
    keyword: str
    argument: Any
    value: Any
    rules: Mapping[str, Any]
    of_name: bool = False

    @property
    def expected(self) -> str:
        """The expected value in words."""
        return str(self.rules.get("x-expected", "something else"))

    def unknown(self) -> list[str]:
        """The unknown members, for ``additionalProperties: false``."""
        return [key for key in self.value if key not in self.rules.get("properties", ())]

    def missing(self) -> list[str]:
        """The missing members, for ``required``."""
        return [key for key in self.argument if key not in self.value]


@cache
def load(name: str) -> Mapping[str, Any]:
    """Load the schema ``flow``, ``config`` or ``smoke``."""
    text = resources.files(__name__).joinpath(f"{name}.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """``schema`` with its reference followed; keys next to the reference take precedence."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target = root["$defs"][reference.removeprefix("#/$defs/")]
    return {**resolve(target, root), **{key: schema[key] for key in schema if key != "$ref"}}


def errors(name: str, value: Any) -> Iterator[SchemaError]:
    """Validate a value and return all errors.

    :param name: of the schema; ``smoke#test`` is its definition ``test``.
    """
    if not _surely_valid(name, value):
        yield from map(_error, _validator(name).iter_errors(value))


def _surely_valid(name: str, value: Any) -> bool:
    quick = _quick(name)
    if quick is None:
        return False
    try:
        return quick(value)
    except (ValueError, RecursionError):
        return False  # not representable in JSON, such as a lone surrogate


def _error(error: Any) -> SchemaError:
    of_name = "propertyNames" in error.absolute_schema_path
    path: NodePath = tuple(error.absolute_path)
    return SchemaError(
        (*path, error.instance) if of_name else path,
        error.validator,
        error.validator_value,
        error.instance,
        error.schema,
        of_name,
    )


def _schema(name: str) -> Mapping[str, Any]:
    name, _, part = name.partition("#")
    schema = load(name)
    return {"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]} if part else schema


@cache
def _quick(name: str) -> Callable[[Any], bool] | None:
    try:
        library = import_module("jsonschema_rs")
    except ImportError:
        return None
    check: Callable[[Any], bool] = library.Draft202012Validator(_schema(name)).is_valid
    return check


@cache
def _validator(name: str) -> Draft202012Validator:
    # As slow to import as the HTTP library.
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_schema(name))


#: Returns the message about an unknown key, from the error, the path to it, and the key.
ExplainUnknown = Callable[[SchemaError, NodePath, str], Finding]


def findings(
    schema: str, value: Any, rules: str, whole: str, unknown: ExplainUnknown | None = None
) -> list[Finding]:
    """All schema errors of ``value``, without duplicates.

    :param rules: the prefix of the names of the rules.
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
    """Truncate a text to 60 characters."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _name(path: NodePath, whole: str) -> str:
    """Return ``limits.delete`` or ``scope[0]``; the name of the whole value without a path."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return f"`{text.removeprefix('.')}`" if text else whole


def _shown(value: Any, rules: Any) -> str:
    """Return the invalid value; empty if it is not a scalar."""
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
