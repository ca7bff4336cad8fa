"""``policy-path``: where the file of a flow must be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kestra_sync.checks.policy_rules.base import PolicyRule, RuleContext
from kestra_sync.findings import Finding
from kestra_sync.model import FlowId, Scope

_PLACEHOLDERS = ("namespace", "folders", "id")

_TOKEN = re.compile(r"\{[^{}]*\}|\*|[{}]")


def _check(context: RuleContext, required: str) -> Iterator[Finding]:
    if required == "namespace":
        expected = folders(context.flow_id.namespace, context.scope)
        actual = context.path.rpartition("/")[0]
        if actual not in expected:
            yield Finding(
                RULE.id,
                ("namespace",),
                f"a flow of `{context.flow_id.namespace}` belongs in the directory "
                f"{' or '.join(expected)}, not {actual or 'the source itself'}",
                "move the file, or correct the namespace",
            )
    elif not _matches(required, context.flow_id, context.path):
        yield Finding(
            RULE.id,
            ("id",),
            f"the file of this flow must be {expand(required, context.flow_id)}, "
            f"not {context.path}",
            "move or rename the file, or correct the namespace and the id",
        )


def folders(namespace: str, scope: Scope | None) -> list[str]:
    """Return the allowed directories: all segments of the namespace, or those below the scope."""
    entries = scope.namespaces if scope is not None else ()
    inner = [
        namespace.removeprefix(f"{entry}.")
        for entry in entries
        if namespace.startswith(f"{entry}.")
    ]
    return [each.replace(".", "/") for each in dict.fromkeys((namespace, *inner))]


_STARS = 4
"""Templates with this many ``*`` are matched with a time limit."""


def template_problem(template: str) -> str | None:
    """Return why a template is invalid; ``None`` if it is valid."""
    parts = _TOKEN.findall(template)
    for part in parts:
        if part in ("{", "}"):
            return f"unbalanced '{part}'"
        if part != "*" and part[1:-1] not in _PLACEHOLDERS:
            return f"unknown placeholder '{part}'"
    if set(parts) <= {"*"}:
        return f"'{template}' has no placeholder: every file would have the same path"
    return None


def expand(template: str, flow_id: FlowId) -> str:
    """The path that ``template`` expands to, its ``*`` left as they are."""
    return _TOKEN.sub(lambda found: _value(found[0], flow_id), template)


def _value(token: str, flow_id: FlowId) -> str:
    return {
        "{namespace}": flow_id.namespace,
        "{folders}": flow_id.namespace.replace(".", "/"),
        "{id}": flow_id.id,
    }.get(token, token)


def _matches(template: str, flow_id: FlowId, path: str) -> bool:
    """Return whether ``path`` matches the template; ``*`` matches anything except ``/``."""
    pattern, end = "", 0
    for found in _TOKEN.finditer(template):
        pattern += re.escape(template[end : found.start()])
        pattern += "[^/]*" if found[0] == "*" else re.escape(_value(found[0], flow_id))
        end = found.end()
    pattern += re.escape(template[end:])
    if template.count("*") < _STARS:
        return re.fullmatch(pattern, path) is not None
    from kestra_sync.safe.patterns import Pattern

    return Pattern(pattern, shown=template).fullmatch(path) is not None


def _problem(path: str) -> tuple[str, str | None] | None:
    problem = None if path == "namespace" else template_problem(path)
    known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    return None if problem is None else (problem, f"known: {known} and *")


RULE = PolicyRule(
    "policy-path",
    "The path of the file does not match the policy",
    "path",
    {
        "description": "Required path of a flow's file, relative to the source: `namespace`, or a "
        "template such as `{namespace}/{id}.yaml`.",
        "type": "string",
        "minLength": 1,
        "x-expected": "the word namespace or a template such as {namespace}/{id}.yaml",
    },
    _check,
    str,
    _problem,
)
