"""The passes that refine the outcome of the comparison, each from changes to changes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from kestra_sync.model import Action, Change, Diagnostic, FlowId, Kind, Reason, Severity
from kestra_sync.plan.refusals import Refusal
from kestra_sync.resources import Content, in_memory

#: Takes the changes of a plan and returns those that are left, some of them changed.
Pass = Callable[[tuple[Change, ...]], tuple[Change, ...]]


def refined(changes: tuple[Change, ...], passes: Iterable[Pass]) -> tuple[Change, ...]:
    """The changes after all passes, in order."""
    for each in passes:
        changes = each(changes)
    return changes


_KEEP = re.compile(rb"^[ \t]*#[ \t]*kestra-sync:[ \t]*keep\b", re.MULTILINE)


def keeps(source: bytes) -> bool:
    """Whether the flow asks to be kept, by ``# kestra-sync: keep``."""
    return _KEEP.search(source) is not None


def without_kept(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same changes, with deletions of flows that ask to be kept turned into a note."""
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
    """Leaves alone what other inventories own, unless it is to be taken over.

    Taking over is for flows that Git holds: pruning never reaches what another inventory owns.

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
    """For a partial run: flows missing from the files may just not be selected."""
    return tuple(each for each in changes if each.desired is not None)


_NAME_LINES = re.compile(rb"^(?:id|namespace)[ \t]*:[^\n]*\n?", re.MULTILINE)


def with_moves(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same changes, with each unique pair of equal bodies shown as one move.

    Display only: it is carried out as a creation and a deletion, executions and trigger state
    stay with the old name, and it counts as a deletion for the guards.
    """
    changes = tuple(changes)
    created, deleted = _by_body(changes, Action.CREATE), _by_body(changes, Action.DELETE)
    moved: dict[int, Change] = {}
    gone: set[int] = set()
    for body, ours in created.items():
        theirs = deleted.get(body, [])
        if len(ours) == 1 and len(theirs) == 1:
            new, old = changes[ours[0]], changes[theirs[0]]
            if new.reason is Reason.NEW and old.reason.traits.alert is None:
                moved[ours[0]] = replace(
                    new, action=Action.MOVE, reason=Reason.MOVED, moved_from=old
                )
                gone.add(theirs[0])
    return tuple(moved.get(index, each) for index, each in enumerate(changes) if index not in gone)


def _by_body(changes: tuple[Change, ...], action: Action) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for index, each in enumerate(changes):
        source = each.after if action is Action.CREATE else each.before
        if each.action is action and source is not None:
            found[_body(each, source)].append(index)
    return found


def _body(change: Change, source: Content) -> object:
    """What is equal for a move. Two keys may have the same value by chance, so they do not move."""
    kind = change.flow_id.kind
    if kind is Kind.FLOW:
        return kind, _NAME_LINES.sub(b"", in_memory(source))
    return (kind, source) if kind is Kind.FILE and source else change.flow_id


def with_refused(changes: tuple[Change, ...], refusals: Collection[Refusal]) -> tuple[Change, ...]:
    """The same changes, those marked that a guard refuses one by one."""
    refused = {flow_id for each in refusals for flow_id in each.flows}
    if not refused:
        return changes
    return tuple(
        replace(each, refused=True) if each.flow_id in refused else each for each in changes
    )


def with_invalid(
    changes: tuple[Change, ...], diagnostics: Iterable[Diagnostic]
) -> tuple[Change, ...]:
    """The same changes, those marked in whose files ``diagnostics`` has an error."""
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
