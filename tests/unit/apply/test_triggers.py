"""Checks triggers after an apply, with a simulated server and clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

from kestra_sync.apply.triggers import TriggerWatch, unreadable
from kestra_sync.client.client import KestraClient
from kestra_sync.client.triggers import TriggerState
from kestra_sync.model import FlowId, Scope
from kestra_sync.triggers.changes import (
    Effect,
    TriggerAction,
    TriggerChange,
    TriggerCheck,
    TriggerKey,
    TriggerStatus,
    active_triggers,
    warnings_of,
)
from kestra_sync.triggers.definition import Trigger

_FLOW = FlowId("acme", "a")
_KEY: TriggerKey = (_FLOW, "t")
_OLD_DATE, _NEW_DATE = (datetime(2030, 1, day, tzinfo=timezone.utc) for day in (1, 2))
_CORE = "io.kestra.plugin.core.trigger"


class _Server:
    """Gives one answer after the other, the last one again and again; time passes by sleeping."""

    def __init__(self, *answers: Sequence[TriggerState], runs: Sequence[Any] = ()) -> None:
        self.now = 0.0
        self.enabled: list[TriggerKey] = []
        self.triggers = self
        self.executions = SimpleNamespace(search=lambda *_args, **_named: runs)
        self._answers = list(answers)

    def search(self, _scope: Scope) -> Sequence[TriggerState]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def set_disabled(self, triggers: Sequence[TriggerKey], *, disabled: bool) -> None:
        assert not disabled
        self.enabled += triggers

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @property
    def watch(self) -> TriggerWatch:
        client = cast("KestraClient", self)
        return TriggerWatch(client, sleep=self.sleep, clock=lambda: self.now)


def _change(**properties: Any) -> TriggerChange:
    trigger = Trigger("t", f"{_CORE}.Schedule", {"timezone": "UTC", **properties})
    return TriggerChange(_FLOW, TriggerAction.NEW, after=trigger, dates=(_NEW_DATE,))


def _state(date: datetime = _NEW_DATE, **more: Any) -> TriggerState:
    return TriggerState(_FLOW, "t", next_date=date, **more)


def test_verify_triggers__waits_for_the_state_and_the_new_date() -> None:
    server = _Server([], [_state(_OLD_DATE)], [_state()])
    (check,) = server.watch.wait_until_settled({_KEY: _change()})
    assert check == TriggerCheck(*_KEY, TriggerStatus.REGISTERED, _NEW_DATE)
    assert server.now == 1.0


def test_verify_triggers__waits_no_longer_than_necessary() -> None:
    server = _Server([])
    (check,) = server.watch.wait_until_settled({_KEY: _change()}, timeout=3)
    assert (check.status, server.now) == (TriggerStatus.MISSING, 3.0)
    # A date that differs is not an error: conditions, or another time zone than we think.
    server = _Server([_state(_OLD_DATE)])
    assert [each.good for each in server.watch.wait_until_settled({_KEY: _change()})] == [True]
    server = _Server([_state(_OLD_DATE)])
    server.watch.wait_until_settled({_KEY: _change(conditions=[1])})
    assert server.now == 0.0


def test_disabled_is_reported_and_enabling_is_waited_for() -> None:
    off = _state(disabled=True)
    (check,) = _Server([off]).watch.wait_until_settled({_KEY: _change()})
    assert (check.status, check.next_date) == (TriggerStatus.DISABLED, None)
    assert "--triggers enable" in warnings_of([check])[0]
    # Kestra 2.0 switches it on by itself, a moment later.
    server = _Server([off], [off], [_state()])
    switched = replace(_change(), effect=Effect.SWITCHED_ON)
    assert [each.good for each in server.watch.wait_until_settled({_KEY: switched})] == [True]
    server = _Server([off], [off], [_state()])
    server.watch.enable([_KEY])
    assert server.enabled == [_KEY]
    (check,) = server.watch.wait_until_settled({}, [_KEY])
    assert (check.status, check.good) == (TriggerStatus.ENABLED, True)
    _Server().watch.enable([])


def _run(revision: int, start: datetime, trigger: str | None = "t") -> Any:
    raw = {} if trigger is None else {"trigger": {"id": trigger}}
    text = start.astimezone(timezone.utc).isoformat().replace("+00:00", ".123456789Z")
    return SimpleNamespace(revision=revision, start=text, raw=raw)


def _verified(*runs: Any, tick: datetime) -> tuple[TriggerCheck, float]:
    server = _Server([], runs=runs)
    check = TriggerCheck(*_KEY, TriggerStatus.REGISTERED, tick)
    (found,) = server.watch.verified([check], {_FLOW: 2})
    return found, server.now


def test_the_revision_of_the_next_run() -> None:
    tick = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=20)
    late, early = tick + timedelta(seconds=1), tick - timedelta(seconds=1)
    found, _ = _verified(_run(1, late, "other"), _run(2, late), _run(1, early), tick=tick)
    assert (found.status, found.revision) == (TriggerStatus.REGISTERED, 2)
    found, _ = _verified(_run(1, late), tick=tick)
    assert (found.status, found.revision) == (TriggerStatus.OLD_REVISION, 1)
    assert "old revision" in warnings_of([found])[0]
    # None in time, and one that is far away: nothing is known, and nothing is wrong.
    found, waited = _verified(_run(1, early), tick=tick)
    assert (found.good, found.revision) == (True, None)
    assert 20 <= waited <= 60
    found, waited = _verified(tick=tick + timedelta(days=1))
    assert (found.revision, waited) == (None, 0.0)


def test_triggers__without_a_state_are_not_waited_for() -> None:
    changes = [
        TriggerChange(_FLOW, TriggerAction.NEW, after=Trigger(id_, type_, {"disabled": off}))
        for id_, type_, off in (
            ("schedule", f"{_CORE}.Schedule", False),
            ("off", f"{_CORE}.Schedule", True),
            ("hook", f"{_CORE}.Webhook", False),
            ("flow", f"{_CORE}.Flow", False),
            ("stream", "io.kestra.plugin.kafka.RealtimeTrigger", False),
            ("poll", "io.kestra.plugin.core.http.Trigger", False),
        )
    ]
    removed = TriggerChange(_FLOW, TriggerAction.REMOVED, before=Trigger("x", f"{_CORE}.Schedule"))
    assert [id_ for _, id_ in active_triggers([*changes, removed])] == ["schedule", "poll"]


def test_unreadable_states_are_unknown() -> None:
    (check,) = unreadable([_KEY])
    assert (check.good, warnings_of([check])) == (
        False,
        ["trigger t of acme/a could not be checked"],
    )
