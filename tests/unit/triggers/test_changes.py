"""The effects of a changed flow on its triggers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from kestra_sync.model import FlowId
from kestra_sync.triggers.changes import (
    Effect,
    TriggerAction,
    TriggerBehaviour,
    TriggerChange,
    trigger_changes,
)
from kestra_sync.triggers.definition import Category, Trigger, triggers_of, webhook_url

_NOW = datetime(2026, 11, 25, 22, 30, tzinfo=timezone.utc)
_FLOW = FlowId("acme.etl", "orders")
_CORE = "io.kestra.plugin.core.trigger"
_OLD, _NEW = TriggerBehaviour(False, False), TriggerBehaviour(True, True)


def _flow(*triggers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "orders", "triggers": list(triggers), **more}


def _cron(id_: str = "nightly", cron: str = "0 3 * * *", **more: Any) -> dict[str, Any]:
    return {"id": id_, "type": f"{_CORE}.Schedule", "cron": cron, **more}


def _other(id_: str, type_: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "type": type_, **more}


def _changes(
    before: Any, after: Any, behaviour: TriggerBehaviour = _OLD, off: set[str] | None = None
) -> tuple[TriggerChange, ...]:
    return trigger_changes(_FLOW, before, after, now=_NOW, behaviour=behaviour, off=off)


def _actions(changes: tuple[TriggerChange, ...]) -> list[tuple[str, str]]:
    return [(each.trigger.id, str(each.action)) for each in changes]


def test_triggers__new_flow_has_new_triggers_with_dates() -> None:
    (change,) = _changes(None, _flow(_cron(timezone="Europe/Berlin")))
    assert change.action is TriggerAction.NEW
    assert [each.isoformat() for each in change.dates] == [
        "2026-11-26T03:00:00+01:00", "2026-11-27T03:00:00+01:00", "2026-11-28T03:00:00+01:00",
    ]  # fmt: skip
    assert change.effect is None


def test_triggers__deleted_flow_removes_its_triggers() -> None:
    assert _actions(_changes(_flow(_cron(), _cron("b")), None)) == [
        ("nightly", "removed"), ("b", "removed"),
    ]  # fmt: skip


def test_smoke_after_apply__selects_changed_flows_and_callers() -> None:
    before = _flow(_cron(inputs={"a": 1}, description="x"), _cron("same"))
    after = _flow(_cron(cron="0 4 * * *", inputs={"a": 2}), _cron("same"))
    (change,) = _changes(before, after)
    assert change.action is TriggerAction.CHANGED
    assert change.before is not None
    assert change.after is not None
    assert (change.before.cron, change.after.cron) == ("0 3 * * *", "0 4 * * *")
    assert change.properties == ("cron", "inputs", "description")
    assert change.dates[0].isoformat() == "2026-11-26T04:00:00+00:00"


def test_triggers__unambiguous_new_id_is_a_rename() -> None:
    (change,) = _changes(_flow(_cron("old")), _flow(_cron("new")))
    assert change.action is TriggerAction.RENAMED
    assert change.before is not None
    assert (change.before.id, change.trigger.id) == ("old", "new")
    assert change.effect is Effect.STATE_LOST
    two = _changes(_flow(_cron("a"), _cron("b")), _flow(_cron("c")))
    assert _actions(two) == [("c", "new"), ("a", "removed"), ("b", "removed")]


@pytest.mark.parametrize("there", [_cron(disabled=True), _cron(disabled=False), _cron()])
def test_disabled_flow__disabled_and_enabled_in_git(there: dict[str, Any]) -> None:
    off = there.get("disabled") is True
    (change,) = _changes(_flow(there), _flow({**there, "disabled": not off}))
    assert change.action is (TriggerAction.STARTED if off else TriggerAction.STOPPED)
    assert bool(change.dates) == off
    # The same for the flow as a whole.
    found = _changes(_flow(there), _flow(there, disabled=True))
    assert _actions(found) == ([] if off else [("nightly", "stopped")])


def test_a_disabled_trigger_has_no_dates() -> None:
    (change,) = _changes(None, _flow(_cron(), disabled=True))
    assert change.dates == ()
    assert not change.trigger.active


@pytest.mark.parametrize(
    ("behaviour", "off", "effect"),
    [
        (_OLD, {"nightly"}, Effect.STAYS_OFF),
        (_OLD, None, Effect.STAYS_OFF),
        (_OLD, set(), None),
        (_NEW, {"nightly"}, Effect.SWITCHED_ON),
        (_NEW, None, Effect.SWITCHED_ON),
        (_NEW, set(), None),
    ],
)
def test_triggers__disabled_at_run_time(
    behaviour: TriggerBehaviour, off: set[str] | None, effect: Effect | None
) -> None:
    (change,) = _changes(_flow(_cron()), _flow(_cron(description="new")), behaviour, off)
    assert change.effect is effect
    assert change.off is (None if off is None else bool(off))


def test_flow_triggers_and_webhooks_have_no_run_time_state() -> None:
    before = _flow(_other("hook", f"{_CORE}.Webhook", key="a"), _other("up", f"{_CORE}.Flow"))
    after = _flow(
        _other("hook", f"{_CORE}.Webhook", key="b"), _other("up", f"{_CORE}.Flow", conditions=[1])
    )
    found = _changes(before, after)
    assert _actions(found) == [("hook", "changed"), ("up", "changed")]
    assert [each.effect for each in found] == [None, None]


def test_trigger__realtime_keeps_the_old_revision_on_1_x() -> None:
    trigger = _other("stream", "io.kestra.plugin.kafka.RealtimeTrigger", topic="t")
    before, after = _flow(trigger, tasks=[1]), _flow(trigger, tasks=[2])
    (change,) = _changes(before, after)
    assert (change.action, change.effect) == (TriggerAction.KEPT, Effect.NEEDS_RESTART)
    assert _changes(before, after, _NEW) == ()
    assert _changes(before, before) == ()
    assert _changes(before, _flow(trigger, tasks=[2], disabled=True))[0].effect is None
    # Its own change restarts it.
    (changed,) = _changes(before, _flow({**trigger, "topic": "u"}, tasks=[2]))
    assert (changed.action, changed.effect) == (TriggerAction.CHANGED, None)


@pytest.mark.parametrize(
    ("type_", "category"),
    [
        (f"{_CORE}.Schedule", Category.SCHEDULE),
        ("io.kestra.core.models.triggers.types.Schedule", Category.SCHEDULE),
        (f"{_CORE}.ScheduleOnDates", Category.SCHEDULE),
        (f"{_CORE}.Flow", Category.FLOW),
        (f"{_CORE}.Webhook", Category.WEBHOOK),
        ("io.kestra.plugin.core.http.Trigger", Category.POLLING),
        ("io.kestra.plugin.kafka.RealtimeTrigger", Category.REALTIME),
        ("com.acme.Flow", Category.POLLING),
        ("", Category.POLLING),
    ],
)
def test_categories(type_: str, category: Category) -> None:
    assert Trigger("t", type_).category is category


@pytest.mark.parametrize(
    "value",
    [None, [], "x", {}, {"triggers": None}, {"triggers": {}}, {"triggers": [1, {}, {"id": "a"}]}],
)
def test_what_is_not_a_trigger_is_left_out(value: Any) -> None:
    assert triggers_of(value) == {}


def test_an_id_is_read_as_kestra_reads_it() -> None:
    assert list(triggers_of(_flow({"id": False, "type": "T"}, {"id": 7, "type": "T"}))) == [
        "false", "7",
    ]  # fmt: skip


def test_the_key_of_a_webhook_is_masked() -> None:
    found = webhook_url("https://kestra.acme.io/", "main", _FLOW)
    assert found == "https://kestra.acme.io/api/v1/main/executions/webhook/acme.etl/orders/***"
