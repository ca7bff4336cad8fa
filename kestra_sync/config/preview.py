"""The ``preview`` section: what is laid over the file for a preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kestra_sync.config.file import Layer, layer_of, patches_of
from kestra_sync.errors import UsageError
from kestra_sync.previews import PLACEHOLDER, Preview, rendered
from kestra_sync.safe.text import is_namespace

#: The login of previews without an ``environment``: ``KESTRA_TOKEN_PREVIEW``.
LOGIN = "preview"
#: The keys of an environment that do not apply to its previews.
_NOT_INHERITED = frozenset(
    ("namespaces", "scope", "inventory", "prune", "on_drift", "on_first_contact")
)
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def preview_layer(file: Mapping[str, Any], path: str, name: str) -> Layer:
    """Return the layer of the preview with this name.

    :param path: the file, for messages.
    :raises UsageError: the preview would use a namespace with live flows.
    """
    section = file["preview"]
    below = section.get("environment")
    base = Layer({}) if below is None else layer_of(file, below)
    namespaces = {key: rendered(each, name) for key, each in section["namespaces"].items()}
    _check_apart(file, path, name, namespaces)
    patches = [*base.patches]
    for place, patch in patches_of(section, ("preview",)):
        patches.append((place, {**patch, "set": _named(patch.get("set", {}), name)}))
    if section.get("triggers", "off") in ("off", False):
        switch = {"flows": "*", "triggers": "off", "optional": True}
        patches.append((("preview",), switch))
    ttl = section.get("ttl")
    value = {key: each for key, each in base.value.items() if key not in _NOT_INHERITED}
    return Layer(
        {**value, "namespaces": namespaces},
        base.at,
        tuple(patches),
        below or LOGIN,
        Preview(
            name,
            tuple(dict.fromkeys(namespaces.values())),
            None if ttl is None else int(ttl[:-1]) * _SECONDS[ttl[-1]],
            section.get("smoke", True),
        ),
    )


def _named(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return rendered(value, name)
    if isinstance(value, dict):
        return {key: _named(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, name) for each in value]
    return value


def _check_apart(
    file: Mapping[str, Any], path: str, name: str, namespaces: Mapping[str, str]
) -> None:
    """Reject a name if the preview would use a namespace with live flows.

    :raises UsageError: it would, or a namespace is longer than Kestra allows.
    """
    live = set(_listed(file["scope"]))
    for each in file.get("environments", {}).values():
        overlay = each or {}
        live.update(_listed(overlay.get("scope", [])), overlay.get("namespaces", {}).values())
    for there in namespaces.values():
        if not is_namespace(there):
            raise UsageError(
                f"the preview {name!r} would be in {there!r}, which is not a namespace",
                remedy=f"use a shorter name, or shorten `preview.namespaces` in {path}",
            )
        hit = next((it for it in sorted(live) if f"{it}.".startswith(f"{there}.")), None)
        if hit is not None:
            raise UsageError(
                f"the preview {name!r} would be in {there}, where the flows of {hit} are live",
                remedy=f"use another name, or a template such as preview.{PLACEHOLDER}.{hit} in"
                f" `preview.namespaces` of {path}",
            )


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
