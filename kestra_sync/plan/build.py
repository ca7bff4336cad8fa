"""Puts the plan together: every flow's place in the three-way table, sorted."""

from __future__ import annotations

from collections.abc import Mapping

from kestra_sync.model import Base, Change, Desired, FlowId, Live
from kestra_sync.plan.compare import Rules, compare


def build_changes(
    desired: Mapping[FlowId, Desired],
    live: Mapping[FlowId, Live],
    bases: Mapping[FlowId, Base],
    rules: Rules,
    base_sources: Mapping[FlowId, bytes] | None = None,
) -> tuple[Change, ...]:
    """One change for each flow that any of the three sides knows, sorted by flow.

    :param live: all live flows of the scope; those about to change with their revision.
    :param base_sources: texts we applied last, for flows that somebody changed since.
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


def _name(flow_id: FlowId) -> tuple[str, str]:
    """The order of ``FlowId`` itself, told once for each flow and not for each comparison."""
    return flow_id.namespace, flow_id.id


def needs_reading(changes: tuple[Change, ...]) -> tuple[FlowId, ...]:
    """The flows whose revision the plan must know: those that are there and change or drifted."""
    return tuple(
        each.flow_id
        for each in changes
        if each.before is not None and (each.writes or each.reason.traits.alert is not None)
    )


def only_desired(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """For a partial run: what Git seems to lack may just not have been looked at."""
    return tuple(each for each in changes if each.desired is not None)
