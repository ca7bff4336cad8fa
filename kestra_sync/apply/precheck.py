"""Checks, just before the writes, whether flows to create exist by now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kestra_sync.apply.outcome import Outcome, Status
from kestra_sync.client.values import FlowSummary
from kestra_sync.model import Action, Change, Scope


class Searches(Protocol):
    """The one call of the client that this needs."""

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]: ...


def existing_creates(flows: Searches, levels: Iterable[Iterable[Change]]) -> dict[Change, Outcome]:
    """A conflict for each creation whose flow is on the server already; one request for all.

    :raises KestraError: if the server cannot be read.
    """
    creates = {
        change.flow_id: change
        for level in levels
        for change in level
        if change.action is Action.CREATE
    }
    if not creates:
        return {}
    scope = Scope(tuple(sorted({flow_id.namespace for flow_id in creates})), exact=True)
    return {
        creates[found.flow_id]: Outcome(
            creates[found.flow_id],
            Status.CONFLICT,
            found.revision,
            "was created on the server since the plan was created (now at revision "
            "{found.revision})",
        )
        for found in flows.search(scope)
        if found.flow_id in creates
    }
