"""The three-way comparison: what to do with one flow, from its desired, live and base state.

The rows are those of the table in ``docs/architecture.md``; each has a test with its name. Below
are the passes that refine the changes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from kestra_sync.model import (
    Action,
    Base,
    Change,
    Desired,
    Diagnostic,
    FlowId,
    Kind,
    Live,
    Reason,
    Severity,
)
from kestra_sync.plan.refusals import Refusal
from kestra_sync.resources import Content, by_kind, in_memory
from kestra_sync.settings import OnDrift

_T = TypeVar("_T")


def build_changes(
    desired: Mapping[FlowId, Desired],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    rules: Rules,
    base_sources: Mapping[FlowId, bytes] | None = None,
) -> tuple[Change, ...]:
    """Return a change for each flow on any of the three sides, sorted by flow.

    :param live: all live flows of the scope; those about to change with their revision.
    :param base_sources: the last applied sources of flows that were changed since.
    """
    texts = base_sources or {}
    changes = []
    for flow_id in sorted({*desired, *live, *bases}, key=by_kind):
        declared, observed, base = desired.get(flow_id), live.get(flow_id), bases.get(flow_id)
        verdict = compare(declared, observed, base, rules, texts.get(flow_id))
        path = declared.path if declared else base.path if base else None
        changes.append(
            Change(
                action=verdict.action,
                reason=verdict.reason,
                flow_id=flow_id,
                path=path,
                before=observed.content if observed else None,
                after=verdict.after,
                desired=declared,
                base=texts.get(flow_id) if verdict.reason.traits.edited else None,
                revision=observed.revision if observed else None,
            )
        )
    return tuple(changes)


def rebuild_changes(
    changes: tuple[Change, ...],
    again: Collection[FlowId],
    desired: Mapping[FlowId, Desired],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    rules: Rules,
    base_sources: Mapping[FlowId, bytes] | None = None,
) -> tuple[Change, ...]:
    """Return ``changes`` with the flows ``again`` compared again; see :func:`build_changes`.

    Flows that no longer exist on any side are left out.
    """
    if not again:
        return changes
    rebuilt = {
        each.flow_id: each
        for each in build_changes(
            _some(desired, again), _some(live, again), _some(bases, again), rules, base_sources
        )
    }
    return tuple(
        rebuilt.get(each.flow_id, each)
        for each in changes
        if each.flow_id in rebuilt or each.flow_id not in again
    )


def _some(everything: Mapping[FlowId, _T], keys: Collection[FlowId]) -> dict[FlowId, _T]:
    return {key: everything[key] for key in keys if key in everything}


def needs_reading(changes: tuple[Change, ...]) -> tuple[FlowId, ...]:
    """Return the flows whose revision the plan needs: live flows that will change or drifted."""
    return tuple(
        each.flow_id
        for each in changes
        if each.flow_id.kind is Kind.FLOW
        and each.before is not None
        and (each.writes or each.reason.traits.alert is not None)
    )


# Distinguishes a flow that was disabled on the server from one that was edited.
#
# Kestra's UI disables a flow by rewriting its source: it appends ``disabled: true``, or rewrites
# an existing top-level ``disabled`` line in place and removes blank lines next to it
# (``docs/kestra-api.md``, "switching a flow off"). So two sources count as equal here if they are
# equal without that line and the blank lines next to it.

_LINE = re.compile(
    rb"^disabled[ \t]*:[ \t]*(?P<value>true|false)[ \t]*(?:[ \t]#[^\n]*)?\r?$", re.MULTILINE
)
_KEY = re.compile(rb"^disabled[ \t]*:", re.MULTILINE)


def disabled_in(source: bytes) -> bool | None:
    """Return the value of the top-level ``disabled`` line; ``None`` if absent or not plain."""
    if b"disabled" not in source:  # nearly all of them
        return None
    matches = list(_LINE.finditer(source))
    if len(matches) != 1 or len(_KEY.findall(source)) != 1:
        return None
    return matches[0]["value"] == b"true"


def says_disabled(source: bytes) -> bool:
    """Return whether there is a top-level ``disabled`` key with any value."""
    return _KEY.search(source) is not None


def switched_off(live: bytes, ours: bytes) -> bool:
    """Return whether ``live`` only differs from ``ours`` by having been disabled.

    The file in Git must not have ``disabled``: if it has ``disabled: false``, the server's ``true``
    is drift. Blank lines are compared, except next to that line and at the end.
    """
    if disabled_in(live) is not True or says_disabled(ours):
        return False
    lines, expected = live.split(b"\n"), ours.split(b"\n")
    (at,) = (number for number, line in enumerate(lines) if _KEY.match(line))
    before, after = _without_end(lines[:at]), _without_end(lines[at + 1 :])
    while after and not after[0].strip():
        del after[0]
    expected = _without_end(expected)
    if before and len(expected) >= len(before):
        # Kestra may change the line ending before the line that it appends.
        before[-1], expected[len(before) - 1] = (
            each.rstrip(b"\r") for each in (before[-1], expected[len(before) - 1])
        )
    between = expected[len(before) : len(expected) - len(after)]
    return expected == [*before, *between, *after] and not any(line.strip() for line in between)


def _without_end(lines: list[bytes]) -> list[bytes]:
    """Remove the blank lines at the end."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def switch_off(source: bytes) -> bytes:
    """Return ``source`` with the line that Kestra's UI appends to disable a flow."""
    ending = b"\r\n" if b"\r\n" in source else b"\n"
    glue = b"" if source.endswith(b"\n") else ending
    return source + glue + b"disabled: true" + ending


@dataclass(frozen=True)
class Rules:
    """The settings that affect the comparison.

    :param tracked: there is an inventory, so flows can be "not ours yet".
    :param prune_all: ``prune: scope`` – delete what is not in Git, regardless of its origin.
    :param prune_owned: ``prune: owned`` (or ``scope``) – delete what we deployed and Git dropped.
    :param re_enable: re-enable flows that were disabled on the server.
    """

    tracked: bool = True
    prune_owned: bool = False
    prune_all: bool = False
    re_enable: bool = False
    on_drift: OnDrift = OnDrift.REVERT


@dataclass(frozen=True)
class Decision:
    """A row of the table, and the bytes to send if they differ from the file's."""

    action: Action
    reason: Reason
    after: Content | None = None


def compare(
    desired: Desired | None,
    live: Live | None,
    base: Base | None,
    rules: Rules,
    base_source: bytes | None = None,
) -> Decision:
    """Determine the row of one flow. At least one of the three states must exist.

    :param base_source: the last applied source, if available: it distinguishes a flow that was
        only disabled from one that was edited.
    """
    if desired is None:
        return _not_in_git(live, base, rules, base_source)
    if live is None:
        again = base is not None and not base.only_intended
        return Decision(Action.CREATE, Reason.RECREATED if again else Reason.NEW, desired.content)
    if desired.sent_sha256 == live.sha256:
        return _equal(desired, live, base, rules)
    return _different(desired, live, base, rules, base_source)


def _equal(desired: Desired, live: Live, base: Base | None, rules: Rules) -> Decision:
    if not rules.tracked:
        return Decision(Action.NONE, Reason.IN_SYNC, desired.content)
    if base is None:
        return Decision(Action.NONE, Reason.ADOPT, desired.content)
    recorded = (
        base.live_hashes == {live.sha256}
        and base.file_sha256 == desired.git_sha256
        and base.path == desired.path
        and not base.only_intended
    )
    reason = Reason.IN_SYNC if recorded else Reason.REFRESHED
    return Decision(Action.NONE, reason, desired.content)


def _different(
    desired: Desired, live: Live, base: Base | None, rules: Rules, base_source: bytes | None
) -> Decision:
    is_flow = desired.flow_id.kind is Kind.FLOW  # nothing else can be disabled
    if is_flow and switched_off(live.source, desired.sent):
        if rules.re_enable:
            return Decision(Action.UPDATE, Reason.RE_ENABLED, desired.content)
        return Decision(Action.NONE, Reason.KEPT_OFF, live.content)
    if base is None or _never_ours(live, base):
        reason = Reason.TAKE_OVER if rules.tracked else Reason.CHANGED
        return Decision(Action.UPDATE, reason, desired.content)
    ours = live.sha256 in base.live_hashes
    only_off = (ours and base.kept_off) or (
        is_flow and not ours and base_source is not None and switched_off(live.source, base_source)
    )
    if only_off and not rules.re_enable and not says_disabled(desired.sent):
        # Git changed, the flow was only disabled on the server: deploy the change, keep it
        # disabled.
        return Decision(Action.UPDATE, Reason.KEPT_OFF, switch_off(desired.sent))
    if ours or only_off:
        return Decision(Action.UPDATE, Reason.CHANGED, desired.content)
    if rules.on_drift is OnDrift.KEEP:
        return Decision(Action.NONE, Reason.DRIFT_KEPT, live.content)
    if base.file_sha256 == desired.git_sha256:
        return Decision(Action.UPDATE, Reason.DRIFT, desired.content)
    return Decision(Action.UPDATE, Reason.CONFLICT, desired.content)


def _not_in_git(
    live: Live | None, base: Base | None, rules: Rules, base_source: bytes | None
) -> Decision:
    if live is None:
        return Decision(Action.NONE, Reason.DROPPED)
    if base is None or _never_ours(live, base):
        if rules.prune_all:
            return Decision(Action.DELETE, Reason.PRUNED)
        return Decision(Action.NONE, Reason.FOREIGN, live.content)
    if not rules.prune_owned:
        return Decision(Action.NONE, Reason.UNTOUCHED, live.content)
    if live.sha256 in base.live_hashes or rules.on_drift is OnDrift.OVERWRITE:
        return Decision(Action.DELETE, Reason.REMOVED)
    if base_source is not None and switched_off(live.source, base_source):
        return Decision(Action.DELETE, Reason.REMOVED)
    if rules.on_drift is OnDrift.KEEP:
        return Decision(Action.NONE, Reason.DRIFT_KEPT, live.content)
    return Decision(Action.DELETE, Reason.CONFLICT)


def _never_ours(live: Live, base: Base) -> bool:
    """Return whether we only intended to create it, and the live flow is someone else's."""
    return base.only_intended and live.sha256 not in base.live_hashes


#: Refines the changes of a plan: removes or modifies some of them.
Pass = Callable[[tuple[Change, ...]], tuple[Change, ...]]


def refined(changes: tuple[Change, ...], passes: Iterable[Pass]) -> tuple[Change, ...]:
    """Apply all passes to the changes, in order."""
    for each in passes:
        changes = each(changes)
    return changes


_KEEP = re.compile(rb"^[ \t]*#[ \t]*kestra-sync:[ \t]*keep\b", re.MULTILINE)


def keeps(source: bytes) -> bool:
    """Return whether the flow has the comment ``# kestra-sync: keep``."""
    return _KEEP.search(source) is not None


def without_kept(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Replace deletions of flows with ``# kestra-sync: keep`` by a note."""
    return tuple(
        replace(each, action=Action.NONE, reason=Reason.PROTECTED)
        if each.action is Action.DELETE
        and each.flow_id.kind is Kind.FLOW
        and each.before is not None
        and keeps(in_memory(each.before))
        else each
        for each in changes
    )


def respecting_others(
    owners: Collection[FlowId], ours: Collection[FlowId], *, take_over: bool
) -> Pass:
    """Return a pass that spares what other inventories own, unless it is taken over.

    Only flows in Git can be taken over: pruning never deletes what another inventory owns.

    :param owners: the flows that other inventories own.
    :param ours: the flows of our own inventory.
    """

    def spared(change: Change) -> bool:
        if change.flow_id not in owners:
            return False
        if change.action is Action.DELETE:
            return not take_over or change.reason is Reason.PRUNED
        return change.reason is Reason.KEPT_OFF and not take_over and change.flow_id not in ours

    def left_alone(changes: tuple[Change, ...]) -> tuple[Change, ...]:
        return tuple(
            replace(each, action=Action.NONE, reason=Reason.FOREIGN, after=each.before)
            if spared(each)
            else each
            for each in changes
        )

    return left_alone


def only_desired(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Drop deletions in a partial run, where missing flows may only not be selected."""
    return tuple(each for each in changes if each.desired is not None)


_NAME_LINES = re.compile(rb"^(?:id|namespace)[ \t]*:[^\n]*\n?", re.MULTILINE)


def with_moves(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Combine each creation and deletion with equal bodies to a move, if the pair is unique.

    For display only: it is carried out as a creation and a deletion, executions and trigger state
    stay with the old name, and it counts as a deletion for the guards.
    """
    changes = tuple(changes)
    created, deleted = _by_body(changes, Action.CREATE), _by_body(changes, Action.DELETE)
    moves: dict[int, Change] = {}
    merged: set[int] = set()
    for body, new_at in created.items():
        old_at = deleted.get(body, [])
        if len(new_at) == 1 and len(old_at) == 1:
            new, old = changes[new_at[0]], changes[old_at[0]]
            if new.reason is Reason.NEW and old.reason.traits.alert is None:
                moves[new_at[0]] = replace(
                    new, action=Action.MOVE, reason=Reason.MOVED, moved_from=old
                )
                merged.add(old_at[0])
    return tuple(
        moves.get(index, each) for index, each in enumerate(changes) if index not in merged
    )


def _by_body(changes: tuple[Change, ...], action: Action) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for index, each in enumerate(changes):
        source = each.after if action is Action.CREATE else each.before
        if each.action is action and source is not None:
            found[_body(each, source)].append(index)
    return found


def _body(change: Change, source: Content) -> object:
    """Return what must be equal for a move; keys never move, as values may be equal by chance."""
    kind = change.flow_id.kind
    if kind is Kind.FLOW:
        return kind, _NAME_LINES.sub(b"", in_memory(source))
    return (kind, source) if kind is Kind.FILE and source else change.flow_id


def with_refused(changes: tuple[Change, ...], refusals: Collection[Refusal]) -> tuple[Change, ...]:
    """Mark the changes that a guard refuses individually."""
    refused = {flow_id for each in refusals for flow_id in each.flows}
    if not refused:
        return changes
    return tuple(
        replace(each, refused=True) if each.flow_id in refused else each for each in changes
    )


def with_invalid(
    changes: tuple[Change, ...], diagnostics: Iterable[Diagnostic]
) -> tuple[Change, ...]:
    """Mark the changes whose files have an error in ``diagnostics``."""
    errors = [each for each in diagnostics if each.severity is Severity.ERROR]
    flows = {each.flow for each in errors if each.flow is not None}
    paths = {each.path for each in errors if each.flow is None and each.path}
    if not (flows or paths):
        return changes
    return tuple(
        replace(each, invalid=True)
        if each.desired is not None and (each.flow_id in flows or each.path in paths)
        else each
        for each in changes
    )
