"""Verifies the writes with one bulk read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.apply.outcome import Outcome, Status
from kestra_sync.live.snapshot import FlowReads, snapshot
from kestra_sync.model import Change, Scope


def verify(flows: FlowReads, outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """The same outcomes; what does not show on the server is a conflict now.

    :raises KestraError: if the server cannot be read.
    """
    outcomes = tuple(outcomes)
    written = [each.change for each in outcomes if each.status is Status.APPLIED]
    if not written:
        return outcomes
    scope = Scope(tuple(sorted({each.flow_id.namespace for each in written})), exact=True)
    known = {each.desired.sent_sha256: each.flow_id for each in written if each.desired is not None}
    live = snapshot(flows, scope, known)

    def shown(change: Change) -> bool:
        there = live.get(change.flow_id)
        return (there.source if there is not None else None) == change.after

    return tuple(
        replace(
            each,
            status=Status.CONFLICT,
            message="was written, but then changed by someone else",
        )
        if each.status is Status.APPLIED and not shown(each.change)
        else each
        for each in outcomes
    )
