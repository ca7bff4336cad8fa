"""The offline checks of a flow.

Never stricter than Kestra about the structure: an error here is one for which Kestra 1.3 rejects
the flow, or a file that cannot be what its author intended (a duplicate key).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kestra_sync.checks.releases import check_release, is_new
from kestra_sync.checks.rules import VERSIONED, in_flow
from kestra_sync.findings import Finding, NodePath
from kestra_sync.model import Desired, Diagnostic, Position, Severity
from kestra_sync.repo.document import ParsedDocument, all_tasks, as_list, as_text, task_lists
from kestra_sync.repo.load import parse_source
from kestra_sync.safe.text import quoted
from kestra_sync.schemas import SchemaError, errors
from kestra_sync.suggest import did_you_mean


def check_offline(
    desired: Desired, release: tuple[int, int] | None = None
) -> tuple[Diagnostic, ...]:
    """Check what will be sent; the diagnostics refer to the file that it came from.

    :param release: the version of Kestra, as (major, minor), that will load the flow: unknown
        properties are errors then; otherwise a newer version may know them.
    """
    parsed = parse_source(desired.sent, desired.sent_sha256)
    if not isinstance(parsed, ParsedDocument):
        return tuple(in_flow(desired, each) for each in parsed)

    def line_of(path: NodePath) -> int:
        return desired.file_position(parsed.position_of(path)).line

    findings = [
        *_findings(parsed.value, line_of, release),
        *check_traps(parsed, desired.sent),
        *parsed.duplicates,
        *map(_alias, parsed.aliases),
    ]
    found = [in_flow(desired, each, parsed) for each in findings]
    if release is not None:
        found = [
            replace(each, severity=Severity.ERROR) if each.rule in VERSIONED else each
            for each in found
        ]
    return tuple(sorted(found, key=lambda diagnostic: diagnostic.sort_key))


def _findings(value: Any, line_of: Any, release: tuple[int, int] | None) -> Iterator[Finding]:
    removed = list(check_release(value, release)) if release is not None else []
    reported = {finding.at for finding in removed}
    yield from removed
    for finding in check_schema(value):
        if finding.at not in reported and not is_new(finding, release):
            yield finding
    if isinstance(value, dict):
        yield from check_ids(value, line_of)
        yield from check_inputs(value)
        for finding in check_advice(value):
            if finding.at not in reported:
                yield finding


def _alias(alias: tuple[Position, str]) -> Finding:
    position, name = alias
    return Finding(
        "yaml-alias",
        position,
        f"Kestra does not resolve `*{quoted(name)}`: it reads the text `{quoted(name)}`",
        "repeat the value, or use an expression such as `{{ vars.name }}`",
    )


LineOf = Callable[[NodePath], int]


def check_ids(flow: dict[str, Any], line_of: LineOf) -> Iterator[Finding]:
    """Yield duplicate ids.

    :param line_of: returns the line of a node in the file, for the message.
    """
    yield from _unique("task", all_tasks(flow), line_of)
    for section, kind in (("triggers", "trigger"), ("inputs", "input"), ("outputs", "output")):
        items = enumerate(as_list(flow.get(section)))
        yield from _unique(kind, (((section, i), item) for i, item in items), line_of)


def _unique(kind: str, items: Iterable[tuple[NodePath, Any]], line_of: LineOf) -> Iterator[Finding]:
    seen: dict[str, NodePath] = {}
    for path, item in items:
        if not isinstance(item, dict):
            continue
        # `name` is the old name of an input's `id`.
        key = "name" if kind == "input" and "id" not in item else "id"
        name = as_text(item.get(key))
        if name is None:
            continue
        first = seen.setdefault(name, (*path, key))
        if first != (*path, key):
            yield Finding(
                f"duplicate-{kind}-id",
                (*path, key),
                f"the {kind} id `{quoted(name)}` is already used on line {line_of(first)}",
                "rename one of them",
            )


_PLAIN = re.compile(r"[^\s#]+")


def check_traps(parsed: ParsedDocument, source: bytes) -> Iterator[Finding]:
    """Yield values that Kestra would read or store differently than written."""
    flow = parsed.value
    if not isinstance(flow, dict):
        return
    name = flow.get("id")
    if name is not None and not isinstance(name, str):
        written = _written(parsed, source)
        if written != as_text(name):
            # The flow is stored under a different name than in its source: every later update
            # is rejected, as "Illegal flow id update" or as not found.
            yield Finding(
                "flow-id-reading",
                ("id",),
                f"Kestra reads `{quoted(written)}` as `{as_text(name)}`, and could not update the "
                f"flow afterwards",
                "put quotes around it",
            )
    if flow.get("deleted") is True:
        yield Finding(
            "flow-deleted",
            ("deleted",),
            "Kestra would store the flow, but show it as deleted",
            "remove the line; to delete the flow, remove the file",
        )


def _written(parsed: ParsedDocument, source: bytes) -> str:
    """Return the id as written in the file."""
    position = parsed.position_of(("id",))
    lines = source.decode("utf-8-sig", errors="replace").splitlines()
    match = _PLAIN.match(lines[position.line - 1][position.column - 1 :])
    return match.group() if match else ""


def check_inputs(flow: dict[str, Any]) -> Iterator[Finding]:
    """Yield contradictory defaults, and dependencies on unknown inputs or in cycles."""
    inputs = [
        (("inputs", index), item)
        for index, item in enumerate(as_list(flow.get("inputs")))
        if isinstance(item, dict)
    ]
    needs = {_id(item): _needs(item) for _, item in inputs}
    for path, item in inputs:
        yield from _defaults(path, item)
        for index, needed in enumerate(_needs(item)):
            here = (*path, "dependsOn", "inputs", index)
            if needed not in needs:
                yield Finding("input-depends-on", here, f"unknown input `{quoted(str(needed))}`")
            elif _reaches(needs, needed, _id(item)):
                yield Finding(
                    "input-depends-on",
                    here,
                    f"the input `{quoted(str(_id(item)))}` depends on itself",
                )


def _defaults(path: NodePath, item: dict[str, Any]) -> Iterator[Finding]:
    if item.get("defaults") is None:
        return
    if str(item.get("required", True)).strip().lower() == "false":
        yield Finding(
            "input-defaults",
            (*path, "required"),
            "an input with a default always has a value, so `required` cannot be false",
            "remove `required: false`, or use `prefill` instead of `defaults`",
        )
    if item.get("prefill") is not None:
        yield Finding(
            "input-defaults",
            (*path, "prefill"),
            "an input cannot have both `defaults` and `prefill`",
            "remove one of them",
        )


def _id(item: dict[str, Any]) -> str | None:
    return as_text(item.get("id", item.get("name")))


def _needs(item: dict[str, Any]) -> list[str | None]:
    depends_on = item.get("dependsOn")
    names = depends_on.get("inputs") if isinstance(depends_on, dict) else None
    return [as_text(name) for name in as_list(names)]


def _reaches(needs: dict[str | None, list[str | None]], start: str | None, end: Any) -> bool:
    """Return whether ``start`` needs ``end``, directly or indirectly."""
    seen: set[str | None] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            pending.extend(needs.get(name, ()))
    return False


# The `deprecationPaths` in the responses of Kestra 1.3.
_DEPRECATED = {
    "listeners": "use `afterExecution`, or a flow trigger",
    "taskDefaults": "use `pluginDefaults`",
}
_SERVER = ("revision", "deleted", "tenantId", "source", "updated")
_INPUT_TYPES = {"ENUM": "SELECT", "BOOLEAN": "BOOL"}
_INPUT_PROPERTIES = {
    "name": "use `id`",
    "options": "use `values`",
    "extension": "use `allowedFileExtensions`",
}


def check_advice(flow: dict[str, Any]) -> Iterator[Finding]:
    """Yield deprecated names, properties set by the server, and list items that Kestra ignores."""
    for key in flow:
        if key in _DEPRECATED:
            yield Finding("deprecated", (key,), f"`{key}` is deprecated", _DEPRECATED[key], True)
        elif key in _SERVER:
            yield Finding(
                "server-property", (key,), f"`{key}` is set by the server", "remove it", True
            )
    yield from _inputs(flow)
    triggers = (("triggers",), as_list(flow.get("triggers")))
    for path, items in (*task_lists(flow), triggers):
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                yield Finding(
                    "not-a-task", (*path, index), f"Kestra ignores this item: {value_text(item)}"
                )


def _inputs(flow: dict[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(as_list(flow.get("inputs"))):
        if not isinstance(item, dict):
            continue
        kind = item.get("type")
        if isinstance(kind, str) and kind in _INPUT_TYPES:
            better = f"use `{_INPUT_TYPES[kind]}`"
            path = ("inputs", index, "type")
            yield Finding("deprecated", path, f"the type `{kind}` is deprecated", better)
        for key, better in _INPUT_PROPERTIES.items():
            if key in item:
                path = ("inputs", index, key)
                yield Finding("deprecated", path, f"`{key}` is deprecated", better, True)


def check_schema(flow: Any) -> Iterator[Finding]:
    """Yield the findings of the schema in a parsed flow."""
    seen: set[Finding] = set()
    for error in errors("flow", flow):
        for finding in _structural(error):
            # Two keywords (a pattern and a length) may reject one value; one finding is enough.
            if finding not in seen:
                seen.add(finding)
                yield finding


def _structural(error: SchemaError) -> Iterator[Finding]:
    path, keyword, rules = error.path, error.keyword, error.rules
    rule = str(rules.get("x-rule", "flow-schema"))
    if keyword == "required":
        for key in error.missing():
            yield Finding("flow-missing-property", path, f"`{key}` is missing")
    elif keyword == "additionalProperties":
        for key in error.unknown():
            yield _unknown(path, key, list(rules["properties"]))
    elif keyword == "enum":
        yield _not_allowed(path, error.value, list(error.argument))
    elif keyword == "minItems":
        yield Finding(rule, path, f"{_name(path)} must not be empty")
    elif error.of_name:
        # The error refers to the mapping, but its key is wrong.
        yield Finding(rule, path, _label(error.value, keyword, rules), at_key=True)
    elif rule == "flow-label" and keyword == "not":
        yield Finding(rule, path, _label(error.value, keyword, rules))
    else:
        message = f"{_name(path)} must be {error.expected}, not {value_text(error.value)}"
        yield Finding(rule, path, message)


def _unknown(path: NodePath, key: str, known: list[str]) -> Finding:
    return Finding(
        "flow-unknown-property",
        (*path, key),
        f"unknown property `{quoted(key)}`",
        did_you_mean(key, known) or "remove it",
        at_key=True,
    )


def _not_allowed(path: NodePath, value: Any, allowed: list[str]) -> Finding:
    return Finding(
        "flow-unknown-value",
        path,
        f"{_name(path)} must be one of {', '.join(allowed)}, not {value_text(value)}",
        did_you_mean(str(value), allowed),
    )


def _label(key: Any, keyword: str, rules: Mapping[str, Any]) -> str:
    if keyword == "not":
        return f"{value_text(key)}: labels that begin with `system.` are set by Kestra itself"
    return f"{value_text(key)} is not {rules.get('x-expected')}"


def _name(path: NodePath) -> str:
    if not path:
        return "a flow"
    last = path[-1]
    return f"`{quoted(last)}`" if isinstance(last, str) else "the item"


def value_text(value: Any) -> str:
    """Format a value for a message: short, and on one line."""
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
