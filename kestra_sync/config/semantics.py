"""Checks of a configuration that a schema cannot express."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kestra_sync.findings import Finding, NodePath
from kestra_sync.previews import PLACEHOLDER, PREFIX
from kestra_sync.safe.text import is_namespace
from kestra_sync.suggest import closest, did_you_mean


def more_findings(value: Any) -> Iterator[Finding]:
    """Everything else that is wrong; what the schema does not allow is passed over."""
    yield from _part(value, ())
    if "preview" in _mapping(value):
        yield from _preview(value)
    patches = _mapping(_mapping(value).get("preview")).get("patches")
    for number, patch in enumerate(patches if isinstance(patches, list) else ()):
        yield from _patch(_mapping(patch), ("preview", "patches", number))
    for name, overlay in _mapping(_mapping(value).get("environments")).items():
        yield from _part(overlay, ("environments", name))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _part(value: Any, at: NodePath) -> Iterator[Finding]:
    url = _text(_mapping(value).get("url"))
    if "@" in url.partition("://")[2].partition("/")[0]:
        yield Finding(
            "config-secret",
            (*at, "url"),
            "the URL in the configuration must not contain credentials",
            "set KESTRA_USERNAME and KESTRA_PASSWORD in the environment",
        )
    patches = _mapping(value).get("patches")
    for number, patch in enumerate(patches if isinstance(patches, list) else ()):
        yield from _patch(_mapping(patch), (*at, "patches", number))
    yield from _stamp(_mapping(_mapping(value).get("stamp")), (*at, "stamp"))
    policy = _mapping(_mapping(value).get("policy"))
    yield from _options(policy, (*at, "policy"))
    yield from _ignores(_mapping(value).get("ignore"), (*at, "ignore"))
    yield from _ignores(policy.get("ignore"), (*at, "policy", "ignore"))
    yield from _severities(_mapping(policy.get("severity")), (*at, "policy", "severity"))


def _patch(patch: Mapping[str, Any], at: NodePath) -> Iterator[Finding]:
    from kestra_sync.render.paths import Key, PathError, parse_path

    paths: list[tuple[NodePath, str]] = [
        ((*at, "set", each), each) for each in _mapping(patch.get("set"))
    ]
    unset = patch.get("unset")
    paths += [
        ((*at, "unset", number), _text(each))
        for number, each in enumerate(unset if isinstance(unset, list) else ())
    ]
    if not paths and "triggers" not in patch and "flows" in patch:
        yield Finding(
            "config-missing-key",
            at,
            "the patch changes nothing",
            "add `set:`, `unset:` or `triggers:`",
        )
    for place, text in paths:
        try:
            steps = parse_path(text)
        except PathError as error:
            yield Finding(
                "config-value",
                place,
                str(error),
                "such as labels.env or triggers[id].cron",
                at_key=True,
            )
            continue
        if len(steps) == 1 and steps[0] in (Key("id"), Key("namespace")):
            yield Finding(
                "config-value",
                place,
                f"a patch cannot change the {text} of a flow",
                "map namespaces with `namespaces:`",
                at_key=True,
            )


_PLACEHOLDERS = ("commit", "environment", "name")


def _stamp(stamp: Mapping[str, Any], at: NodePath) -> Iterator[Finding]:
    for label, value in _mapping(stamp.get("labels")).items():
        for found in re.finditer(r"\{(\w*)\}", _text(value)):
            if found[1] not in _PLACEHOLDERS:
                known = ", ".join(f"{{{each}}}" for each in _PLACEHOLDERS)
                yield Finding(
                    "config-value",
                    (*at, "labels", label),
                    f"unknown placeholder {found[0]}",
                    f"known: {known}",
                )


_TYPES = {"string": str, "array": list, "boolean": bool, "integer": int, "object": dict}


def _options(policy: Mapping[str, Any], at: NodePath) -> Iterator[Finding]:
    """Validate the options of policy rules, in addition to the schema."""
    if not policy:
        return
    from kestra_sync.checks.policy_rules import POLICY_RULES

    for rule in POLICY_RULES:
        value = policy.get(rule.option)
        if not value or not isinstance(value, _TYPES[rule.schema["type"]]):
            continue  # the schema check reports it
        problem = rule.problem(value)
        if problem is not None:
            yield Finding("config-value", (*at, rule.option), *problem)


def _ignores(patterns: Any, at: NodePath) -> Iterator[Finding]:
    from kestra_sync.repo.walk import pattern_problem

    for number, each in enumerate(patterns if isinstance(patterns, list) else ()):
        problem = pattern_problem(_text(each))
        if problem is not None:
            yield Finding(
                "config-value", (*at, number), problem, "the syntax is that of .gitignore"
            )


def _severities(severity: Mapping[str, Any], at: NodePath) -> Iterator[Finding]:
    if not severity:
        return
    from kestra_sync.checks.rules import adjustable_rules

    known = adjustable_rules()
    for rule in severity:
        if rule in known:
            continue
        suggestion = closest(rule, known)
        yield Finding(
            "config-unknown-rule",
            (*at, rule),
            f"no rule '{rule}' with a configurable severity"
            + (f", did you mean '{suggestion}'?" if suggestion else ""),
            None if suggestion else "docs/policy.md lists them",
            at_key=True,
        )


def _preview(file: Mapping[str, Any]) -> Iterator[Finding]:
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
                " removed later",
                f"add `{key}:` at the top of the file",
            )
    for name in environments:
        if isinstance(name, str) and name.startswith(PREFIX):
            yield Finding(
                "config-value",
                ("environments", name),
                f"environment names that begin with {PREFIX} are reserved for previews",
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
    yield from _preview_namespaces(file, section.get("namespaces"))


def _preview_namespaces(file: Mapping[str, Any], namespaces: Any) -> Iterator[Finding]:
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
    for entry in _texts(file.get("scope") or []):
        if not any(f"{entry}.".startswith(f"{before}.") for before in namespaces):
            yield Finding(
                "config-value",
                at,
                f"{entry}, which is in `scope`, is not mapped: a preview would write to the live"
                " flows there",
                f"add `{entry}: preview.{PLACEHOLDER}.{entry}`",
            )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
