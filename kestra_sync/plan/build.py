"""Puts the plan together: every flow's place in the three-way table, sorted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from kestra_sync.model import Base, Change, Desired, FlowId, Kind, Live
from kestra_sync.plan.compare import Rules, compare

_T = TypeVar("_T")


def build_changes(
    desired: Mapping[FlowId, Desired],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    rules: Rules,
    base_sources: Mapping[FlowId, bytes] | None = None,
) -> tuple[Change, ...]:
    """One change for each flow that any of the three sides knows, sorted by flow.

    :param live: all live flows of the scope; those about to change with their revision.
    :param base_sources: texts we applied last, for flows that were changed since.
    """
    texts = base_sources or {}
    changes = []
    for flow_id in sorted({*desired, *live, *bases}, key=_name):
        wanted, there, base = desired.get(flow_id), live.get(flow_id), bases.get(flow_id)
        verdict = compare(wanted, there, base, rules, texts.get(flow_id))
        path = wanted.path if wanted else base.path if base else None
        changes.append(
            Change(
                action=verdict.action,
                reason=verdict.reason,
                flow_id=flow_id,
                path=path,
                before=there.source if there else None,
                after=verdict.after,
                desired=wanted,
                base=texts.get(flow_id) if verdict.reason.traits.edited else None,
                revision=there.revision if there else None,
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
    """``changes``, those of the flows ``again`` compared once more; see :func:`build_changes`.

    Flows that no side has any more are left out.
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


def _some(everything: Mapping[FlowId, _T], wanted: Collection[FlowId]) -> dict[FlowId, _T]:
    return {key: everything[key] for key in wanted if key in everything}


def _name(flow_id: FlowId) -> tuple[bool, str, str, str]:
    """Flows first, then the order of ``FlowId``, computed once each."""
    kind = flow_id.kind
    return kind is not Kind.FLOW, kind.value, flow_id.namespace, flow_id.id


def needs_reading(changes: tuple[Change, ...]) -> tuple[FlowId, ...]:
    """The flows whose revision the plan must know: those that are there and change or drifted."""
    return tuple(
        each.flow_id
        for each in changes
        if each.flow_id.kind is Kind.FLOW
        and each.before is not None
        and (each.writes or each.reason.traits.alert is not None)
    )
