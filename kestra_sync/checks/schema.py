"""The structure of a flow against our own JSON Schema, said for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from kestra_sync.checks.compile import Check, compile_schema
from kestra_sync.checks.finding import Finding
from kestra_sync.repo.document import Path
from kestra_sync.repo.quote import quoted

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError


def check_schema(flow: Any) -> Iterator[Finding]:
    """What the schema finds in a parsed flow."""
    if is_valid()(flow):
        return
    seen: set[Finding] = set()
    for error in _validator().iter_errors(flow):
        for finding in _findings(error):
            # Two keywords (a pattern and a length) may refuse one value; one word is enough.
            if finding not in seen:
                seen.add(finding)
                yield finding


@cache
def schema() -> Mapping[str, Any]:
    """The schema of a flow."""
    text = resources.files("kestra_sync").joinpath("schemas/flow.json").read_text("utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


@cache
def is_valid() -> Check:
    """Whether a value is a valid flow, without reasons."""
    return compile_schema(schema())


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())


def _findings(error: ValidationError) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    # The stubs allow for errors that are not filled in yet; those of a validator are.
    keyword, argument, instance = map(
        _any, (error.validator, error.validator_value, error.instance)
    )
    rules: Mapping[str, Any] = _any(error.schema)
    rule = str(rules.get("x-rule", "flow-schema"))
    if keyword == "required":
        for key in argument:
            if key not in instance:
                yield Finding("flow-missing-property", path, f"`{key}` is missing")
    elif keyword == "additionalProperties":
        known = list(rules["properties"])
        for key in instance:
            if key not in known:
                yield _unknown(path, key, known)
    elif keyword == "enum":
        yield _not_allowed(path, instance, list(argument))
    elif keyword == "minItems":
        yield Finding(rule, path, f"{_name(path)} must not be empty")
    elif "propertyNames" in error.schema_path:
        # The error is that of the mapping; its key is what is wrong.
        yield Finding(rule, (*path, instance), _label(instance, keyword, rules), at_key=True)
    elif rule == "flow-label" and keyword == "not":
        yield Finding(rule, path, _label(instance, keyword, rules))
    else:
        expected = rules.get("x-expected", "something else")
        yield Finding(rule, path, f"{_name(path)} must be {expected}, not {shown(instance)}")


def _unknown(path: Path, key: str, known: list[str]) -> Finding:
    return Finding(
        "flow-unknown-property",
        (*path, key),
        f"unknown property `{quoted(key)}`",
        suggestion(key, known) or "remove it",
        at_key=True,
    )


def _not_allowed(path: Path, value: Any, allowed: list[str]) -> Finding:
    return Finding(
        "flow-unknown-value",
        path,
        f"{_name(path)} must be one of {', '.join(allowed)}, not {shown(value)}",
        suggestion(str(value), allowed),
    )


def _label(key: Any, keyword: str, rules: Mapping[str, Any]) -> str:
    if keyword == "not":
        return f"{shown(key)}: labels that begin with `system.` are set by Kestra itself"
    return f"{shown(key)} is not {rules.get('x-expected')}"


def _any(value: Any) -> Any:
    return value


def suggestion(word: str, known: list[str]) -> str | None:
    """A question for the nearest of the ``known`` words; ``None`` if none is near."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return f"did you mean `{by_lower[close[0]]}`?" if close else None


def _name(path: Path) -> str:
    if not path:
        return "a flow"
    last = path[-1]
    return f"`{quoted(last)}`" if isinstance(last, str) else "the item"


def shown(value: Any) -> str:
    """A value as it may stand in a message: short, and on one line."""
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
