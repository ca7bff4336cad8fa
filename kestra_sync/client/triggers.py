"""The run-time state of triggers, which the scheduler keeps in addition to their definition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kestra_sync.client.answer import int_of, time_of
from kestra_sync.client.bulk import Filtering
from kestra_sync.client.request import ANY, JSON, Query, Request, query, segments
from kestra_sync.client.transport import Transport
from kestra_sync.model import FlowId, Scope


@dataclass(frozen=True)
class TriggerState:
    """The state of a trigger in the scheduler.

    Flow triggers and webhooks have none; others have one within a second after their flow was
    written, later on a busy server.

    :param disabled: it was disabled on the server, independently of its definition.
    :param next_date: when it is evaluated next; ``None`` if the server does not return it.
    """

    flow_id: FlowId
    trigger_id: str
    disabled: bool = False
    next_date: datetime | None = None


class Triggers:
    """``client.triggers``."""

    def __init__(self, transport: Transport, tenant: str) -> None:
        self._transport = transport
        self._tenant = tenant
        self._base = f"/api/v1/{segments(tenant)}/triggers"
        self._filtering = Filtering()

    def search(self, scope: Scope | None = None, page_size: int = 1000) -> tuple[TriggerState, ...]:
        """Return the states of all triggers of the scope. ``None`` is the whole tenant."""
        if scope is not None and not scope.namespaces:
            return ()

        def fetch(filters: Query) -> list[TriggerState]:
            return list(self._pages(filters, page_size))

        found = (each for states in self._filtering.fetch(scope, fetch) for each in states)
        return tuple(
            each
            for each in dict.fromkeys(found)
            if scope is None or scope.covers(each.flow_id.namespace)
        )

    def set_disabled(self, triggers: Iterable[tuple[FlowId, str]], *, disabled: bool) -> None:
        """Disable or enable triggers. Unknown ones are ignored: read the states afterwards.

        :raises UnknownOutcome: it may have been done or not.
        """
        entries = [
            # Kestra 1.x ignores an entry without its tenant, but counts it.
            {
                "tenantId": self._tenant,
                "namespace": flow_id.namespace,
                "flowId": flow_id.id,
                "triggerId": trigger_id,
            }
            for flow_id, trigger_id in triggers
        ]
        body = json.dumps({"triggers": entries, "disabled": disabled}).encode()
        path = f"{self._base}/set-disabled/by-triggers"
        self._transport.send(Request("POST", path, body=body, content_type=JSON, accept=ANY))

    def _pages(self, filters: Query, page_size: int) -> Iterator[TriggerState]:
        """Yield all results. A page may be short: the server omits triggers of deleted flows."""
        page = 1
        while True:
            parameters = (*filters, *query(("page", page), ("size", page_size)))
            answer = self._transport.send(Request("GET", f"{self._base}/search", query=parameters))
            data = answer.object()
            results, total = data.get("results"), int_of(data.get("total"))
            if not isinstance(results, list) or total is None:
                raise answer.unexpected("JSON without results")
            yield from (state for each in results if (state := _state(each)) is not None)
            if page * page_size >= total:
                return
            page += 1


def _state(item: Any) -> TriggerState | None:
    """Parse the state in a search result; its key depends on the version."""
    data = item.get("triggerContext") or item.get("state") if isinstance(item, dict) else None
    if not isinstance(data, dict):
        return None
    namespace, flow, trigger = data.get("namespace"), data.get("flowId"), data.get("triggerId")
    if not (isinstance(namespace, str) and isinstance(flow, str) and isinstance(trigger, str)):
        return None
    date = time_of(data.get("nextExecutionDate") or data.get("nextEvaluationDate"))
    return TriggerState(
        FlowId(namespace, flow),
        trigger,
        data.get("disabled") is True,
        None if date is None else date.replace(microsecond=0),
    )
