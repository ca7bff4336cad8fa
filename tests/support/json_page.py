"""Writes ``docs/json.md`` from the schemas of the results, so that the two never differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.schemas import schema

_INTRODUCTION = """\
# JSON results

<!-- Written from kestra_sync/schemas by `UPDATE_GOLDEN=1 pytest tests/unit/report`. -->

The JSON output of each command. With `--format json`, every command prints one
complete JSON document to stdout, regardless of the exit code, and everything else to stderr. The
document is plain ASCII, so it is safe for any terminal, and contains no secrets, and no sources
except in diffs.

`format_version` is the version of the format: additions increase the second number, incompatible
changes the first. Accept `1.*`, and ignore unknown members.

The JSON Schemas (draft 2020-12) are part of the package, in `kestra_sync/schemas/`: one for each
command, and `result.json` for `history`, `inventory`, `unlock`, `smoke` and shared definitions.
They only allow the members below.

```console
$ kestra-sync plan flows/ --format json > plan.json
$ jq -r '.plan.changes[] | select(.action == "delete") | .flow | "\\(.namespace)/\\(.id)"' plan.json
```

If a run does not complete, `error` contains the reason, and the document only has the common
members: after usage errors (64), an unreachable server (69), a bug (70), missing permissions
(77), or `^C` before the first write (130), for example. Otherwise `error` is `null`, even if the
exit code is not 0.
"""

#: Heading, schema, definition.
_SECTIONS = (
    ("Common members, and failures", "result", "failure"),
    ("validate", "validate", "result"),
    ("plan", "plan", "result"),
    ("apply", "apply", "result"),
    ("drift", "drift", "result"),
    ("plan, apply and drift of several environments", "environments", "result"),
    ("preview up", "preview", "up"),
    ("preview down, preview clean", "preview", "down"),
    ("preview list", "preview", "list"),
    ("history", "result", "history_result"),
    ("inventory", "result", "inventory_result"),
    ("inventory rename, forget and move", "result", "inventory_change_result"),
    ("unlock", "result", "unlock_result"),
    ("smoke", "result", "smoke_result"),
    ("run", "run", "result"),
    ("logs", "logs", "result"),
    ("executions delete", "executions", "result"),
    ("pull", "pull", "result"),
    ("graph", "graph", "result"),
    ("doctor", "doctor", "result"),
    ("init", "init", "result"),
    ("status", "status", "result"),
    ("render", "render", "result"),
    ("diff", "diff", "result"),
    ("explain", "explain", "result"),
)
_FRAME = {"format_version", "tool", "command", "exit_code", "error"}


def page() -> str:
    """The complete page."""
    parts = [_INTRODUCTION]
    for heading, name, definition in _SECTIONS:
        rows = _rows(name, schema(name)["$defs"][definition], "")
        wanted = [row for row in rows if definition == "failure" or not _is_frame(row)]
        parts.append("\n".join([f"## {heading}", "", *_table(wanted), ""]))
    for name in ("plan", "diagnostic", "hunk", "resource", "smoke"):
        article = "Result of smoke tests" if name == "smoke" else f"A {name}"
        parts.append("\n".join([f"## {article}", "", *_table(_of(name)), ""]))
    return "\n".join(parts)


def _of(name: str) -> list[tuple[str, str, str]]:
    return list(_rows("result", _definition(name), f"{name}."))


def _definition(name: str) -> Any:
    return schema("result")["$defs"][name]


def _is_frame(row: tuple[str, str, str]) -> bool:
    return row[0].split(".")[0] in _FRAME


def _table(rows: Iterator[tuple[str, str, str]] | list[tuple[str, str, str]]) -> Iterator[str]:
    yield "| member | type | |"
    yield "|---|---|---|"
    for path, kind, description in rows:
        yield f"| `{path}` | {kind} | {description} |"


#: These have tables of their own.
_APART = {"plan", "planned", "diagnostic", "hunk", "resource", "smoke", "smoked", "document"}


def _rows(name: str, node: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for key, value in node["properties"].items():
        owner, apart, resolved = _resolved(name, value)
        optional = "" if key in node["required"] else " (optional)"
        yield f"{prefix}{key}", _type(resolved) + optional, resolved.get("description", "")
        if apart:
            continue
        inside = [(each, "") for each in resolved.get("oneOf", [resolved])]
        inside.append((resolved.get("items", {}), "[]"))
        for below, suffix in inside:
            whose, apart, each = _resolved(owner, below)
            if not apart and "properties" in each:
                yield from _rows(whose, each, f"{prefix}{key}{suffix}.")


def _resolved(name: str, node: Any) -> tuple[str, bool, Any]:
    """The definition of a reference, its schema, and whether it has its own table."""
    if "$ref" not in node:
        return name, False, node
    target, _, path = node["$ref"].partition("#/$defs/")
    owner = target.removesuffix(".json") or name
    found = {**schema(owner)["$defs"][path], **{k: v for k, v in node.items() if k != "$ref"}}
    return owner, path in _APART, found


def _type(node: Any) -> str:
    if "const" in node:
        return f"`{str(node['const']).lower() if node['const'] is True else node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{each}`" for each in node["enum"])
    if "oneOf" in node:
        kinds = [_type(each) if "type" in each else "object" for each in node["oneOf"]]
        return " or ".join(dict.fromkeys(kinds))
    kinds = node.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
