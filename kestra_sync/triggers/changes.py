"""The effect of a change on the triggers of a flow, and what the scheduler says after the apply."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kestra_sync.model import FlowId, StrEnum
from kestra_sync.triggers.dates import next_dates
from kestra_sync.triggers.definition import Category, Trigger, triggers_of


class TriggerAction(StrEnum):
    """What happens to a trigger; stable in the JSON."""

    NEW = "new"
    CHANGED = "changed"
    RENAMED = "renamed"
    REMOVED = "removed"
    STARTED = "started"
    STOPPED = "stopped"
    KEPT = "kept"


class Effect(StrEnum):
    """What Kestra does with the run-time state of a trigger; stable in the JSON.

    Run-time state is what the source does not say: whether the trigger was disabled on the server,
    and when it fires next.
    """

    STAYS_OFF = "stays-off"
    SWITCHED_ON = "switched-on"
    STATE_LOST = "state-lost"
    NEEDS_RESTART = "needs-restart"


@dataclass(frozen=True)
class TriggerBehaviour:
    """How a version of Kestra treats triggers; decided in :mod:`kestra_sync.client.client`.

    :param change_enables: changing the definition of a trigger that was disabled at run time
        enables it and runs what was missed; otherwise it stays disabled through every deployment.
    :param realtime_reloads: a real-time trigger runs a new revision of its flow at once; otherwise
        it keeps the revision it was started with until its own definition changes.
    """

    change_enables: bool
    realtime_reloads: bool


@dataclass(frozen=True)
class TriggerChange:
    """One trigger of a flow that changes.

    :param before: as the server has it; ``None`` for a new one.
    :param after: as the server will have it; ``None`` for one that is removed.
    :param properties: the top-level properties that differ, without ``id``.
    :param dates: when it fires next once it is deployed, in its own time zone; at most three.
    :param off: it was disabled on the server; ``None`` if unknown.
    :param effect: what Kestra does with its run-time state, where there is something to say.
    """

    flow_id: FlowId
    action: TriggerAction
    before: Trigger | None = None
    after: Trigger | None = None
    properties: tuple[str, ...] = ()
    dates: tuple[datetime, ...] = ()
    off: bool | None = None
    effect: Effect | None = None

    @property
    def trigger(self) -> Trigger:
        """The trigger as it will be, or as it was."""
        found = self.after or self.before
        assert found is not None
        return found


def trigger_changes(
    flow_id: FlowId,
    before: object,
    after: object,
    *,
    now: datetime,
    behaviour: TriggerBehaviour,
    off: Collection[str] | None = None,
) -> tuple[TriggerChange, ...]:
    """How the triggers of a flow differ between two parsed sources, in the order of the new one.

    :param before: ``None`` if the flow is created; ``after`` is ``None`` if it is deleted.
    :param now: with a time zone.
    :param off: the ids of those that are disabled at run time; ``None`` if that is not known.
    """
    old, new = triggers_of(before), triggers_of(after)
    renamed = _renamed(old, new)
    found = []
    for id_, trigger in new.items():
        previous = old.get(renamed.get(id_, id_))
        change = _change(flow_id, previous, trigger)
        if change is None:
            change = _kept(flow_id, trigger, before is not None and before != after, behaviour)
        if change is not None:
            found.append(_completed(change, now, behaviour, off))
    gone = old.keys() - new.keys() - set(renamed.values())
    found += [
        TriggerChange(flow_id, TriggerAction.REMOVED, before=old[id_]) for id_ in old if id_ in gone
    ]
    return tuple(found)


def _change(flow_id: FlowId, before: Trigger | None, after: Trigger) -> TriggerChange | None:
    """How ``after`` differs from ``before``; ``None`` if it does not."""
    if before is None:
        return TriggerChange(flow_id, TriggerAction.NEW, after=after)
    properties = tuple(_differing(before.properties, after.properties))
    if before.id != after.id:
        return TriggerChange(flow_id, TriggerAction.RENAMED, before, after, properties)
    if before.active != after.active and set(properties) <= {"disabled"}:
        action = TriggerAction.STARTED if after.active else TriggerAction.STOPPED
        return TriggerChange(flow_id, action, before, after, properties)
    if properties:
        return TriggerChange(flow_id, TriggerAction.CHANGED, before, after, properties)
    return None


def _kept(
    flow_id: FlowId, trigger: Trigger, flow_changes: bool, behaviour: TriggerBehaviour
) -> TriggerChange | None:
    """A real-time trigger that does not change goes on with the old revision of its flow."""
    if not flow_changes or behaviour.realtime_reloads or not trigger.active:
        return None
    if trigger.category is not Category.REALTIME:
        return None
    return TriggerChange(flow_id, TriggerAction.KEPT, trigger, trigger, effect=Effect.NEEDS_RESTART)


def _completed(
    change: TriggerChange, now: datetime, behaviour: TriggerBehaviour, off: Collection[str] | None
) -> TriggerChange:
    """The same change with dates, run-time state and effect."""
    after, before = change.after, change.before
    assert after is not None
    known = None if off is None or before is None else before.id in off
    dates = next_dates(after, now) if after.active else ()
    effect = change.effect
    if effect is None and before is not None and after.active and known is not False:
        effect = _effect(change, behaviour)
    return TriggerChange(
        change.flow_id, change.action, before, after, change.properties, dates, known, effect
    )


def _effect(change: TriggerChange, behaviour: TriggerBehaviour) -> Effect | None:
    """What happens to a run-time switch-off."""
    if change.trigger.category not in SWITCHABLE:
        return None
    if change.action is TriggerAction.RENAMED:
        return Effect.STATE_LOST
    if behaviour.change_enables:
        return Effect.SWITCHED_ON if change.properties else Effect.STAYS_OFF
    return Effect.STAYS_OFF


#: The triggers that have a run-time state of their own and can be disabled on the server.
SWITCHABLE = frozenset({Category.SCHEDULE, Category.POLLING})


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    names = dict.fromkeys([*before, *after])
    for name in names:
        if name != "id" and before.get(name) != after.get(name):
            yield str(name)


def _renamed(old: Mapping[str, Trigger], new: Mapping[str, Trigger]) -> dict[str, str]:
    """New ids, each with the old one of the trigger that is the same but for its id.

    Only unique pairs: two equal triggers cannot be distinguished.
    """
    added = [each for id_, each in new.items() if id_ not in old]
    gone = [each for id_, each in old.items() if id_ not in new]
    pairs = {
        this.id: [that for that in gone if not any(_differing(that.properties, this.properties))]
        for this in added
    }
    taken = [that.id for those in pairs.values() for that in those]
    return {
        id_: those[0].id
        for id_, those in pairs.items()
        if len(those) == 1 and taken.count(those[0].id) == 1
    }


#: A trigger by its flow and its id.
TriggerKey = tuple[FlowId, str]


class TriggerStatus(StrEnum):
    """How a trigger is found; stable in the JSON."""

    REGISTERED = "registered"
    ENABLED = "enabled"
    DISABLED = "disabled"
    MISSING = "missing"
    OLD_REVISION = "old-revision"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class TriggerCheck:
    """A trigger as it was found after an apply.

    :param next_date: when it fires next, as the server says.
    :param revision: the revision of its flow that it was seen to run; ``None`` if not looked for.
    """

    flow_id: FlowId
    trigger_id: str
    status: TriggerStatus
    next_date: datetime | None = None
    revision: int | None = None

    @property
    def good(self) -> bool:
        """Whether it is as Git says."""
        return self.status in (TriggerStatus.REGISTERED, TriggerStatus.ENABLED)


def wanted_triggers(changes: Iterable[TriggerChange]) -> dict[TriggerKey, TriggerChange]:
    """The triggers that have a state of their own once these changes are applied, and fire."""
    return {
        (each.flow_id, each.after.id): each
        for each in changes
        if each.after is not None and each.after.active and has_state(each.after)
    }


def has_state(trigger: Trigger) -> bool:
    """Whether the scheduler has a state of the trigger; flow triggers and webhooks have none."""
    return trigger.category in SWITCHABLE


def has_taken_effect(change: TriggerChange, check: TriggerCheck | None) -> bool:
    """Whether the scheduler has taken the change in, as far as can be seen.

    Where a date is known, that date is waited for, and where Kestra switches the trigger on, that
    it is: right after a write the state of before is still there.
    """
    if check is None or check.status is TriggerStatus.MISSING:
        return False
    if check.status is TriggerStatus.DISABLED and change.effect is Effect.SWITCHED_ON:
        return False
    exact = change.dates and change.trigger.timezone is not None and not change.trigger.conditional
    if exact and check.status is TriggerStatus.REGISTERED:
        return check.next_date in change.dates
    return True


def warnings_of(checks: Iterable[TriggerCheck]) -> list[str]:
    """A sentence for each trigger that is not as Git says."""
    return [
        f"trigger {each.trigger_id} of {each.flow_id} {_WORDS[each.status]}"
        for each in checks
        if not each.good
    ]


_WORDS: Mapping[TriggerStatus, str] = {
    TriggerStatus.DISABLED: (
        "is enabled in Git and disabled on the server, so it does not fire; enable it with "
        "--triggers enable"
    ),
    TriggerStatus.MISSING: "is not registered with the scheduler yet",
    TriggerStatus.OLD_REVISION: "ran an old revision of the flow after this apply",
    TriggerStatus.UNKNOWN: "could not be checked",
}
