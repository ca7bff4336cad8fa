"""Which triggers a plan reports, and the requests for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from kestra_sync.client.client import KestraClient, capabilities_of
from kestra_sync.client.errors import Forbidden, KestraError
from kestra_sync.client.triggers import TriggerState
from kestra_sync.commands.triggers import planned_triggers
from kestra_sync.model import Action, Change, FlowId, Reason, Scope
from kestra_sync.triggers.changes import Effect
from tests.support.plans import change, source

_CRON = """\
triggers:
  - id: nightly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 {hour} * * *"
"""


class _Server:
    """A client that has states of triggers, and counts how often it is asked."""

    def __init__(
        self,
        states: tuple[TriggerState, ...] = (),
        version: tuple[int, ...] = (1, 3),
        error: KestraError | None = None,
    ) -> None:
        self.asked: list[Scope | None] = []
        self.triggers = self
        self._states, self._version, self._error = states, version, error

    def server_info(self) -> Any:
        return SimpleNamespace(can=capabilities_of(self._version))

    def search(self, scope: Scope | None = None) -> tuple[TriggerState, ...]:
        self.asked.append(scope)
        if self._error is not None:
            raise self._error
        return self._states

    @property
    def client(self) -> KestraClient:
        return cast("KestraClient", self)


def _updated(name: str = "a", hours: tuple[int, int] = (3, 4), **more: Any) -> Change:
    before, after = (source(name, extra=_CRON.format(hour=each)) for each in hours)
    return change(Action.UPDATE, Reason.CHANGED, name, before=before, after=after, **more)


def _effect(server: _Server, *changes: Change) -> list[Effect | None]:
    found = planned_triggers(server.client, changes)
    return [each.effect for triggers in found.values() for each in triggers]


def test_requests__one_search_for_disabled_triggers() -> None:
    off = TriggerState(FlowId("acme", "a"), "nightly", disabled=True)
    server = _Server((off, TriggerState(FlowId("acme", "b"), "nightly")))
    assert _effect(server, _updated("a"), _updated("b")) == [Effect.STAYS_OFF, None]
    assert server.asked == [Scope(("acme",), exact=True)]
    assert _effect(_Server((off,), (2, 0)), _updated("a")) == [Effect.SWITCHED_ON]


def test_the_server_is_not_asked_without_need() -> None:
    server = _Server()
    new = source("new", extra=_CRON.format(hour=3))
    found = planned_triggers(
        server.client,
        [
            change(Action.CREATE, Reason.NEW, "new", after=new),
            change(Action.DELETE, Reason.REMOVED, "old", before=new),
            change(Action.UPDATE, Reason.CHANGED, "x", before=source("x"), after=source("x", "b")),
            _updated("same", (3, 3)),
            _updated("kept", invalid=True),
            change(Action.NONE, Reason.FOREIGN, "foreign", before=new),
        ],
    )
    assert {flow.id: [str(each.action) for each in them] for flow, them in found.items()} == {
        "new": ["new"], "old": ["removed"],
    }  # fmt: skip
    assert server.asked == []


def test_server__unknown_information_stops_nothing() -> None:
    forbidden = Forbidden(403, "GET", "/triggers/search", "")
    assert _effect(_Server(error=forbidden), _updated()) == [Effect.STAYS_OFF]


def test_a_source_that_cannot_be_read_has_no_triggers() -> None:
    broken = b"triggers: [\n"
    odd = change(Action.UPDATE, Reason.DRIFT, "a", before=broken, after=source("a"))
    assert planned_triggers(_Server().client, [odd]) == {}
