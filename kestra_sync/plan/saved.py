"""Saves a plan to a file, to apply exactly what was reviewed.

The file has names, hashes and revisions but no sources, so no secrets; an apply creates a new plan
from the files and the server and refuses if it differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.errors import ConflictError, UsageError
from kestra_sync.model import Change, Plan, Reason, sha256
from kestra_sync.safe.paths import read_text, write

#: The first number changes if older versions would misinterpret the file.
FORMAT_VERSION = "1.1"


@dataclass(frozen=True)
class SavedPlan:
    """The contents of a plan file.

    :param content: everything that the digest covers.
    :param options: the command-line options of the plan. An apply uses them as defaults; in any
        case, its plan must be the same.
    """

    content: dict[str, Any]
    digest: str
    options: Mapping[str, object] = field(default_factory=dict)


def freeze(plan: Plan) -> SavedPlan:
    """Return the parts of the plan that must not change until it is applied.

    Other changes in between do not matter, only what this plan would do, and to what.
    """
    content = {
        "target": {
            "url": plan.target.url,
            "tenant": plan.target.tenant,
            "environment": plan.target.environment,
        },
        "scope": {"namespaces": sorted(plan.scope.namespaces), "exact": plan.scope.exact},
        "partial": plan.partial,
        "changes": [_frozen(each) for each in plan.changes if each.reason is not Reason.FOREIGN],
    }
    # Records of single flows follow from the changes.
    record = [each.message for each in plan.record if each.kind in ("move", "bind", "strike")]
    if record:
        content["record"] = record
    return SavedPlan(content, digest_of(content))


def digest_of(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``content``, as ``sha256:…``."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def save(saved: SavedPlan, path: str) -> None:
    """Write the file.

    :raises UsageError: it cannot be written.
    """
    document = {
        "format_version": FORMAT_VERSION,
        "digest": saved.digest,
        "options": saved.options,
        "plan": saved.content,
    }
    try:
        write(path, json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write the plan {path}: {error.strerror}") from error


def load_saved(path: str) -> SavedPlan:
    """Read the file.

    :raises UsageError: it cannot be read, or is not a plan.
    :raises ConflictError: its format has another version, or it was changed after it was saved.
    """
    try:
        document = json.loads(read_text(path))
        # Computed here, because deep nesting may raise RecursionError, as in the parser.
        digest = digest_of(document.get("plan") if isinstance(document, dict) else None)
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a saved plan: {error}", remedy="create one with 'plan --out'"
        ) from error
    if not isinstance(document, dict) or not isinstance(document.get("plan"), dict):
        raise UsageError(f"{path} is not a saved plan", remedy="create one with 'plan --out'")
    version = str(document.get("format_version"))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise ConflictError(
            f"{path} has format version {version}, but this kestra-sync supports {FORMAT_VERSION}",
            remedy="create and apply the plan with the same version of kestra-sync",
        )
    if digest != document.get("digest"):
        raise ConflictError(
            f"{path} was changed after it was saved: its digest does not match",
            remedy="create a new plan",
        )
    if not _is_whole(document["plan"]):
        raise UsageError(
            f"{path} is not a valid saved plan: a change has missing or unknown fields",
            remedy="create one with 'plan --out'",
        )
    options = document.get("options")
    return SavedPlan(
        document["plan"], str(document["digest"]), options if isinstance(options, dict) else {}
    )


def _is_whole(content: dict[str, Any]) -> bool:
    """Return whether every change has the form of :func:`_frozen`: the file may be forged."""
    changes = content.get("changes")
    return isinstance(changes, list) and all(
        isinstance(each, dict)
        and each.keys() == _MEMBERS.keys()
        and all(type(each[name]) in _MEMBERS[name] for name in _MEMBERS)
        for each in changes
    )


_NONE = type(None)
#: The types of the members of a change.
_MEMBERS: dict[str, tuple[type, ...]] = {
    "flow": (str,),
    "action": (str,),
    "reason": (str,),
    "path": (str, _NONE),
    "revision": (int, _NONE),
    "before_sha256": (str, _NONE),
    "after_sha256": (str, _NONE),
    "file_sha256": (str, _NONE),
    "moved_from": (str, _NONE),
}


def differences(saved: SavedPlan, fresh: SavedPlan) -> tuple[str, ...]:
    """Return the differences between two plans, one per line; empty if they are equal."""
    found = [
        f"{name} was {saved.content.get(name)}, now {fresh.content.get(name)}"
        for name in ("target", "scope", "partial", "record")
        if saved.content.get(name) != fresh.content.get(name)
    ]
    before = {each["flow"]: each for each in saved.content.get("changes", ())}
    after = {each["flow"]: each for each in fresh.content["changes"]}
    for flow in sorted({*before, *after}):
        words = _moved(before.get(flow), after.get(flow))
        if words:
            found.append(f"{flow}: {words}")
    return tuple(found)


def _moved(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if before == after:
        return ""
    if before is None and after is not None:
        return f"was not in the plan, now {after['action']} ({after['reason']})"
    if before is not None and after is None:
        return f"was {before['action']} ({before['reason']}), now in sync or deleted"
    assert before is not None
    assert after is not None
    if before["before_sha256"] != after["before_sha256"] or before["revision"] != after["revision"]:
        return (
            f"the server's source changed (revision {before['revision']} then,"
            f" {after['revision']} now)"
        )
    if before["file_sha256"] != after["file_sha256"]:
        return f"the file {after['path'] or before['path']} changed"
    return f"was {before['action']} ({before['reason']}), now {after['action']} ({after['reason']})"


def _frozen(change: Change) -> dict[str, Any]:
    document = change.desired.flow.document if change.desired is not None else None
    return {
        "flow": str(change.flow_id),
        "action": str(change.action),
        "reason": str(change.reason),
        "path": change.path,
        "revision": change.revision,
        "before_sha256": None if change.before is None else sha256(change.before),
        "after_sha256": None if change.after is None else sha256(change.after),
        "file_sha256": None if document is None else document.sha256,
        "moved_from": None if change.moved_from is None else str(change.moved_from.flow_id),
    }
