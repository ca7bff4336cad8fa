"""The members of each command's JSON result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kestra_sync.model import (
    Action,
    Change,
    Diagnostic,
    Kind,
    Plan,
    Repository,
    ResourceId,
    Severity,
    sha256,
)
from kestra_sync.plan.diff import Hunk
from kestra_sync.report.lines import is_alert, is_conflict, note
from kestra_sync.resources import in_memory

if TYPE_CHECKING:
    from kestra_sync.apply.run import Outcome, Restored
    from kestra_sync.commands.render import RenderResult


_WRITING = (Action.CREATE, Action.UPDATE, Action.MOVE, Action.DELETE)


def diagnostics_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Each diagnostic with its place; sorted by file and line."""
    return [
        {
            "path": each.path or None,
            "line": each.position.line if each.position else None,
            "column": each.position.column if each.position else None,
            "severity": str(each.severity),
            "rule": each.rule,
            "message": each.message,
            "remedy": each.remedy,
            "flow": str(each.flow) if each.flow else None,
        }
        for each in sorted(diagnostics, key=lambda each: each.sort_key)
    ]


def repository_json(repository: Repository) -> dict[str, Any]:
    """Return what was found in the files."""
    return {
        "source": repository.source,
        "files": repository.files,
        "flows": len(repository.flows),
        "skipped": [
            {"path": each.path, "line": each.first_line, "reason": each.reason}
            for each in repository.skipped
        ],
    }


def plan_json(plan: Plan, *, context: int = 2) -> dict[str, Any]:
    """The plan with every change and its diffs, text and structure."""
    return {
        "target": {
            "url": plan.target.url,
            "tenant": plan.target.tenant,
            "environment": plan.target.environment,
            "version": plan.server_version,
        },
        "scope": {"namespaces": list(plan.scope.namespaces), "exact": plan.scope.exact},
        "partial": plan.partial,
        "summary": {
            **_counts(plan.writes),
            "unchanged": plan.unchanged,
            **resource_counts(plan.flows, plan.other_counts),
            **_by_kind(plan.writes, _counts),
            "record": sum(max(each.flows, 1) for each in plan.record),
        },
        "record": [
            {"kind": each.kind, "message": each.message, "flows": each.flows}
            for each in plan.record
        ],
        "changes": [change_json(each, context=context) for each in plan.changes],
    }


def resource_counts(flows: int, other_counts: Mapping[Kind, int]) -> dict[str, int]:
    """Count the resources in Git: ``flows``, and other kinds if there are any, such as ``keys``."""
    return {
        "flows": flows,
        **{f"{kind.noun}s": number for kind, number in sorted(other_counts.items()) if number},
    }


def _counts(writes: Sequence[Change]) -> dict[str, int]:
    """Count changes by action; drift and conflicts are counted additionally."""
    actions = Counter(each.action for each in writes)
    return {
        **{str(each): actions[each] for each in _WRITING},
        "drifted": sum(map(is_alert, writes)),
        "conflicts": sum(map(is_conflict, writes)),
    }


def _by_kind(
    changes: Sequence[Change], count: Callable[[Sequence[Change]], dict[str, int]]
) -> dict[str, Any]:
    """Return ``kinds``: the counts for each kind with changes. Empty if all are flows."""
    found: dict[Kind, list[Change]] = {}
    for each in changes:
        found.setdefault(each.flow_id.kind, []).append(each)
    if found.keys() <= {Kind.FLOW}:
        return {}
    return {"kinds": {str(kind): count(found[kind]) for kind in Kind if kind in found}}


def drift_summary(drifted: Sequence[Change]) -> dict[str, Any]:
    """Count the resources that others changed, and those that they deleted."""

    def count(changes: Sequence[Change]) -> dict[str, int]:
        return {
            "drifted": len(changes),
            "deleted": sum(each.before is None for each in changes),
        }

    return {**count(drifted), **_by_kind(drifted, count)}


def name_json(resource: ResourceId) -> dict[str, str]:
    """The name of a resource, with its kind unless it is a flow."""
    name = {"namespace": resource.namespace, "id": resource.id}
    return name if resource.kind is Kind.FLOW else {**name, "kind": str(resource.kind)}


def change_json(change: Change, *, context: int = 2) -> dict[str, Any]:
    """One change. Sources are represented by their hashes; diffs are complete."""
    from kestra_sync.kinds.registry import diff_of

    document = change.desired.flow.document if change.desired else None
    return {
        "flow": name_json(change.flow_id),
        "action": str(change.action),
        "reason": str(change.reason),
        "note": note(change) or None,
        "refused": change.refused,
        "path": change.path,
        "line": document.first_line if document else None,
        "revision": change.revision,
        "before_sha256": None if change.before is None else sha256(change.before),
        "after_sha256": None if change.after is None else sha256(change.after),
        "file_sha256": document.sha256 if document else None,
        "moved_from": str(change.moved_from.flow_id) if change.moved_from else None,
        "diff": [hunk_json(hunk) for hunk in diff_of(change, context=context)],
        "structured": _structured(change),
    }


def drift_json(change: Change, *, context: int = 2) -> dict[str, Any]:
    """One flow that others changed; the diff is from the last applied to the live source."""
    from kestra_sync.kinds.registry import diff_sources

    applied = change.applied
    shown = applied is not None and change.before is not None
    return {
        "flow": name_json(change.flow_id),
        "reason": str(change.reason),
        "deleted": change.before is None,
        "path": change.path,
        "revision": change.revision,
        "live_sha256": None if change.before is None else sha256(change.before),
        "diff": [
            hunk_json(hunk)
            for hunk in diff_sources(change.flow_id.kind, applied, change.before, context=context)
        ]
        if shown
        else [],
    }


def hunk_json(hunk: Hunk) -> dict[str, Any]:
    """A hunk of a text diff."""
    return {
        "heading": hunk.heading,
        "old_start": hunk.old_start,
        "new_start": hunk.new_start,
        "lines": [f"{mark.value}{text}" for mark, text in hunk.lines],
    }


def _structured(change: Change) -> list[dict[str, Any]] | None:
    """Return the structural diff; ``None`` unless there are two sources that can be parsed."""
    if change.before is None or change.after is None or not change.writes:
        return None
    if change.flow_id.kind is not Kind.FLOW:
        return None
    from kestra_sync.plan.structured import structured_changes
    from kestra_sync.repo.document import ParsedDocument
    from kestra_sync.repo.load import parse_source

    before, after = (parse_source(in_memory(each)) for each in (change.before, change.after))
    if not (isinstance(before, ParsedDocument) and isinstance(after, ParsedDocument)):
        return None
    return structured_changes(before.value, after.value)


def outcomes_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The outcome of each write."""
    return [
        {
            "flow": name_json(each.change.flow_id),
            "action": str(each.change.action),
            "status": str(each.status),
            "revision": each.revision,
            "message": each.message or None,
            "unsure": each.unsure,
        }
        for each in outcomes
    ]


def restored_json(restored: Sequence[Restored]) -> list[dict[str, Any]]:
    """What was rolled back, and what could not be."""
    return [
        {
            "flow": name_json(each.change.flow_id),
            "result": str(each.status),
            "revision": each.revision,
            "message": each.message or None,
        }
        for each in restored
    ]


def severity_counts(diagnostics: Sequence[Diagnostic]) -> dict[str, int]:
    """Count errors and warnings."""
    return {
        "errors": sum(each.severity is Severity.ERROR for each in diagnostics),
        "warnings": sum(each.severity is Severity.WARNING for each in diagnostics),
    }


def render_json(result: RenderResult, environment: str | None) -> dict[str, Any]:
    """Return the result of ``render``: the flows with their sources and files."""
    return {
        "environment": environment,
        "flows": [
            {
                "flow": name_json(each.flow_id),
                "file_flow": name_json(each.flow.flow_id),
                "path": each.path,
                "changed": bool(each.steps),
                "sha256": each.sent_sha256,
                "source": each.sent.decode("utf-8", "replace"),
                "written": result.written.get(each.flow_id),
            }
            for each in result.desired
        ],
        "diagnostics": diagnostics_json(result.diagnostics),
    }
