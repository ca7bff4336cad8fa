"""The JSON Schemas of the results, as a user's validator applies them."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

#: Command → its schema; the others are in ``result.json``.
_NAMES = ["validate", "plan", "apply", "drift", "run", "logs", "pull", "graph", "doctor", "init"]
_NAMES += ["status", "render", "diff", "explain", "environments"]
_OWN = {each: each for each in _NAMES} | {"executions delete": "executions", "rollback": "apply"}
_OWN |= {f"preview {each}": "preview" for each in ("up", "down", "clean", "list")}
_EDITS = {f"inventory {each}" for each in ("rename", "forget", "move")}
_SHARED = {"history", "inventory", "unlock", "smoke", *_EDITS}
NAMES = ("result", *dict.fromkeys(_OWN.values()))


@cache
def schema(name: str) -> Any:
    """A schema of the package."""
    path = resources.files("kestra_sync").joinpath(f"schemas/{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _validator(name: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resources(
        (schema(each)["$id"], Resource.from_contents(schema(each))) for each in NAMES
    )
    return Draft202012Validator(schema(name), registry=registry)


def check_result(document: Any) -> None:
    """Fail unless ``document`` is valid by the schema of its command."""
    command = document.get("command")
    assert command in _OWN or command in _SHARED or document.get("error"), command
    several = "not_attempted" in document
    name = "environments" if several else _OWN.get(command, "result")
    error = best_match(_validator(name).iter_errors(document))
    assert error is None, f"{name}.json: {error.json_path}: {error.message}"


def valid(name: str, document: Any) -> bool:
    """Whether ``document`` is valid by one schema."""
    return bool(_validator(name).is_valid(document))
