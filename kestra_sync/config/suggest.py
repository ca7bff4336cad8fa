"""A key that nobody knows: what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

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


def unknown_key(
    key: str,
    known: Collection[str],
    root: Mapping[str, Any],
    resolve: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> tuple[str, str, str | None]:
    """The rule, the message and the remedy for ``key`` where only ``known`` keys may be.

    :param root: the schema of the whole file: the key may belong somewhere else in it.
    """
    shown = key if len(key) <= 60 else f"{key[:57]}..."
    variable = _SECRETS.get(_plain(key))
    if variable is None and re.search(r"(password|token|secret)$", _plain(key)):
        variable = "KESTRA_TOKEN"
    if variable is not None:
        message = f"'{shown}' is not allowed here: credentials come from the environment"
        remedy = f"set {variable} in the environment or in a .env file that Git ignores"
        return "config-secret", message, remedy
    message = f"unknown key '{shown}'"
    meant = closest(key, known)
    if meant is not None:
        return "config-unknown-key", f"{message}, did you mean '{meant}'?", None
    elsewhere = _elsewhere(key, root, resolve)
    if elsewhere is not None and _plain(elsewhere) == _plain(key):
        return "config-unknown-key", f"'{elsewhere}' belongs at the top level of the file", None
    if elsewhere is not None:
        return "config-unknown-key", f"{message}, did you mean '{elsewhere}'?", None
    return "config-unknown-key", message, f"known keys: {', '.join(known)}"


def closest(word: str, known: Collection[str]) -> str | None:
    """The one of ``known`` that looks most like ``word``; ``None`` if none does."""
    plain = {_plain(each): each for each in known}
    found = get_close_matches(_plain(word), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _plain(key: str) -> str:
    """Without what people mix up: ``requireLabels``, ``require-labels``."""
    return re.sub(r"[-_ .]", "", key).lower()


def _elsewhere(
    key: str,
    root: Mapping[str, Any],
    resolve: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> str | None:
    for name, schema in root["properties"].items():
        if _plain(key) == _plain(name):
            return str(name)
        for inner in resolve(schema).get("properties", {}):
            if _plain(key) == _plain(inner):
                return f"{name}.{inner}"
    return None
