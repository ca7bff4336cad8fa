"""Checks one smoke test against ``schemas/smoke.json``, and says what is wrong in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Violation:
    """What the schema does not allow.

    :param path: where in the test.
    :param key: whether the key there is meant, not its value.
    """

    path: Path
    rule: str
    message: str
    remedy: str | None = None
    key: bool = False


def violations(value: Any) -> list[Violation]:
    """Everything that is wrong with the form of one test; empty if nothing is."""
    found: list[Violation] = []
    for error in _validator().iter_errors(value):
        found.extend(_worded(error))
    return found


@cache
def _validator() -> Draft202012Validator:
    # Imported here: only who has smoke tests pays for it.
    from jsonschema import Draft202012Validator

    text = resources.files("kestra_sync").joinpath("schemas/smoke.json").read_text("utf-8")
    schema = json.loads(text)
    return Draft202012Validator({"$ref": "#/$defs/test", "$defs": schema["$defs"]})


def _worded(error: Any) -> Iterator[Violation]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        yield from (
            _unknown((*path, key), error.schema["properties"])
            for key in error.instance
            if key not in error.schema["properties"]
        )
    elif error.validator == "required":
        yield from (
            Violation(path, "smoke-missing-key", f"the key '{key}' is missing", f"add `{key}:`")
            for key in error.validator_value
            if key not in error.instance
        )
    elif "propertyNames" in error.absolute_schema_path:
        expected = error.schema["x-expected"]
        here = (*path, error.instance)
        yield Violation(here, "smoke-value", f"'{error.instance}' must be {expected}", key=True)
    else:
        expected = error.schema["x-expected"]
        message = f"{_name(path)} must be {expected}{_shown(error.instance)}"
        yield Violation(path, "smoke-value", message)


def _unknown(path: Path, known: Iterable[str]) -> Violation:
    key = str(path[-1])
    close = get_close_matches(key, known, n=1)
    remedy = f"did you mean '{close[0]}'?" if close else f"known properties: {', '.join(known)}"
    return Violation(path, "smoke-unknown-key", f"unknown key '{key}'", remedy, key=True)


def _name(path: Path) -> str:
    """``expect.state`` or ``expect.logs.match[0]``; the whole test if there is no path."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return f"`{text.removeprefix('.')}`" if text else "a test"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", not a mapping"
    if isinstance(value, list):
        return ", not a list"
    text = json.dumps(value, ensure_ascii=False)
    return f", not {text if len(text) <= 60 else text[:57] + '...'}"
