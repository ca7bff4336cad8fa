"""Validates a configuration with its JSON Schema, with readable messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kestra_sync.findings import Finding, NodePath
from kestra_sync.schemas import SchemaError, load, resolve
from kestra_sync.schemas.words import findings, shortened
from kestra_sync.suggest import closest, plain

_SECRETS = {
    "password": "KESTRA_PASSWORD",
    "passwd": "KESTRA_PASSWORD",
    "pass": "KESTRA_PASSWORD",
    "token": "KESTRA_TOKEN",
    "apitoken": "KESTRA_TOKEN",
    "apikey": "KESTRA_TOKEN",
    "accesstoken": "KESTRA_TOKEN",
    "bearer": "KESTRA_TOKEN",
    "secret": "KESTRA_TOKEN",
    "secrets": "KESTRA_TOKEN",
    "auth": "KESTRA_TOKEN",
    "credentials": "KESTRA_TOKEN",
    "username": "KESTRA_USERNAME",
    "user": "KESTRA_USERNAME",
}


def schema_findings(value: Any) -> list[Finding]:
    """Everything about ``value``, a whole file, that the schema does not allow."""
    return findings("config", value, "config", "the file", _unknown_key)


def _unknown_key(error: SchemaError, path: NodePath, key: str) -> Finding:
    """A secret, a slip of the pen, or a key that belongs somewhere else."""
    shown = shortened(key)
    variable = _SECRETS.get(plain(key))
    if variable is None and re.search(r"(password|token|secret)$", plain(key)):
        variable = "KESTRA_TOKEN"
    if variable is not None:
        message = f"'{shown}' is not allowed here: credentials come from the environment"
        remedy = f"set {variable} in the environment or in a .env file that Git ignores"
        return Finding("config-secret", path, message, remedy, at_key=True)
    message, meant = _meant(shown, key, list(error.rules["properties"]))
    return Finding("config-unknown-key", path, message, meant, at_key=True)


def _meant(shown: str, key: str, known: list[str]) -> tuple[str, str | None]:
    """Message and remedy."""
    meant = closest(key, known)
    if meant is None:
        meant = _elsewhere(key, load("config"))
        if meant is not None and plain(meant) == plain(key):
            return f"'{meant}' belongs at the top level of the file", None
    if meant is not None:
        return f"unknown key '{shown}', did you mean '{meant}'?", None
    return f"unknown key '{shown}'", f"known keys: {', '.join(known)}"


def _elsewhere(key: str, root: Mapping[str, Any]) -> str | None:
    for name, schema in root["properties"].items():
        if plain(key) == plain(name):
            return str(name)
        for inner in resolve(schema, root).get("properties", {}):
            if plain(key) == plain(inner):
                return f"{name}.{inner}"
    return None
