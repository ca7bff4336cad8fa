"""The ``preview`` section: what is laid over the file for a preview, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kestra_sync.errors import UsageError
from kestra_sync.findings import Finding, NodePath
from kestra_sync.previews import PLACEHOLDER, PREFIX, Preview, name_of, rendered
from kestra_sync.safe.text import is_namespace
from kestra_sync.suggest import did_you_mean

#: The login of previews that name no environment: ``KESTRA_TOKEN_PREVIEW``.
LOGIN = "preview"
#: Of an environment, what a preview decides for itself.
_ITS_OWN = frozenset(("namespaces", "scope", "inventory", "prune", "on_drift", "on_first_contact"))
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Layer:
    """What is laid over the top of the file.

    :param at: the place of ``value`` in the file.
    :param patches: all patches, each with its place.
    :param login: whose credentials are used.
    """

    value: Mapping[str, Any]
    at: NodePath = ()
    patches: tuple[tuple[NodePath, Mapping[str, Any]], ...] = ()
    login: str | None = None
    preview: Preview | None = None


def environment_layer(file: Mapping[str, Any], path: str, environment: str) -> Layer:
    """That of an environment.

    :param path: the file, for messages.
    :raises UsageError: there is no such environment.
    """
    known = file.get("environments", {})
    name = name_of(environment)
    if name is not None and "preview" in file:
        return _preview_layer(file, path, name)
    if name is not None and environment not in known:
        raise UsageError(
            f"{path} has no `preview`",
            remedy=f"add `preview: {{namespaces: {{acme: preview.{PLACEHOLDER}.acme}}}}`; see"
            " docs/previews.md",
        )
    if environment not in known:
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(f"{path} has no environment '{environment}'", remedy=f"it has: {names}")
    return _of(file, environment)


def _of(file: Mapping[str, Any], environment: str) -> Layer:
    value = file.get("environments", {})[environment] or {}
    at = ("environments", environment)
    return Layer(value, at, _patches(value, at), environment)


def _patches(
    value: Mapping[str, Any], at: NodePath
) -> tuple[tuple[NodePath, Mapping[str, Any]], ...]:
    return tuple(
        ((*at, "patches", number), each) for number, each in enumerate(value.get("patches", ()))
    )


def _preview_layer(file: Mapping[str, Any], path: str, name: str) -> Layer:
    section = file["preview"]
    below = section.get("environment")
    base = Layer({}) if below is None else _of(file, below)
    namespaces = {key: rendered(each, name) for key, each in section["namespaces"].items()}
    _check_apart(file, path, name, namespaces)
    patches = [*base.patches]
    for place, patch in _patches(section, ("preview",)):
        patches.append((place, {**patch, "set": _named(patch.get("set", {}), name)}))
    if section.get("triggers", "off") in ("off", False):
        switch = {"flows": "*", "triggers": "off", "optional": True}
        patches.append((("preview",), switch))
    ttl = section.get("ttl")
    value = {key: each for key, each in base.value.items() if key not in _ITS_OWN}
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
    """Refuse a name with which the preview would be where flows are live.

    :raises UsageError: it would be, or a namespace is longer than Kestra allows.
    """
    live = set(_listed(file["scope"]))
    for each in file.get("environments", {}).values():
        given = each or {}
        live.update(_listed(given.get("scope", [])), given.get("namespaces", {}).values())
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


def preview_findings(file: Mapping[str, Any]) -> Iterator[Finding]:
    """What a schema cannot say of ``preview``, of a file that may be wrong elsewhere too."""
    section = file.get("preview")
    if not isinstance(section, dict):
        return
    environments = file.get("environments")
    environments = environments if isinstance(environments, dict) else {}
    for key in ("name", "scope"):
        if key not in file:
            yield Finding(
                "config-missing-key",
                ("preview",),
                f"`preview` needs `{key}`: without it nothing is recorded, and nothing could be"
                " taken down",
                f"add `{key}:` at the top of the file",
            )
    for name in environments:
        if isinstance(name, str) and name.startswith(PREFIX):
            yield Finding(
                "config-value",
                ("environments", name),
                f"environments that begin with {PREFIX} are previews here",
                "rename the environment",
                at_key=True,
            )
    below = section.get("environment")
    if isinstance(below, str) and below not in environments:
        known = [str(each) for each in environments]
        yield Finding(
            "config-value",
            ("preview", "environment"),
            f"no environment '{below}'",
            did_you_mean(below, known) or f"the file has: {', '.join(known) or 'none'}",
        )
    yield from _namespaces(file, section.get("namespaces"))


def _namespaces(file: Mapping[str, Any], namespaces: Any) -> Iterator[Finding]:
    if not isinstance(namespaces, dict):
        return
    at = ("preview", "namespaces")
    for before, template in namespaces.items():
        if not isinstance(template, str):
            continue
        if PLACEHOLDER not in template:
            yield Finding(
                "config-value",
                (*at, before),
                f"`{template}` is the same for every preview",
                f"write the name of the preview into it, such as preview.{PLACEHOLDER}.{before}",
            )
        elif re.search(r"[{}]", template.replace(PLACEHOLDER, "")) or not is_namespace(
            template.replace(PLACEHOLDER, "x")
        ):
            yield Finding(
                "config-value",
                (*at, before),
                f"`{template}` is not a namespace with {PLACEHOLDER}",
                f"such as preview.{PLACEHOLDER}.{before}",
            )
    for entry in _listed(file.get("scope") or []):
        if not any(f"{entry}.".startswith(f"{before}.") for before in namespaces):
            yield Finding(
                "config-value",
                at,
                f"{entry}, which is in `scope`, is not mapped: a preview would write to the live"
                " flows there",
                f"add `{entry}: preview.{PLACEHOLDER}.{entry}`",
            )


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
