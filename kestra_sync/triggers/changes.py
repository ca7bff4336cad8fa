"""The effect of a change on the triggers of a flow, and their state after the apply."""

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

    Run-time state is not part of the source: whether the trigger was disabled on the server, and
    when it fires next.
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
    :param realtime_reloads: a real-time trigger uses a new revision of its flow at once; otherwise
        it keeps the revision it was started with until its own definition changes.
    """

    change_enables: bool
    realtime_reloads: bool


@dataclass(frozen=True)
class TriggerChange:
    """A change of one trigger of a flow.

    :param before: the current trigger on the server; ``None`` if it is new.
    :param after: the trigger after the apply; ``None`` if it is removed.
    :param properties: the top-level properties that differ, without ``id``.
    :param dates: up to three next dates after the deployment, in its time zone.
    :param off: it was disabled on the server; ``None`` if unknown.
    :param effect: what Kestra does with its run-time state, if notable.
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
        """The trigger after the change, or before if it is removed."""
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
    """Compare the triggers in two parsed sources of a flow, in the order of the new one.

    :param before: ``None`` if the flow is created.
    :param after: ``None`` if the flow is deleted.
    :param now: with a time zone.
    :param off: the ids of triggers that are disabled at run time; ``None`` if unknown.
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
    removed = old.keys() - new.keys() - set(renamed.values())
    found += [
        TriggerChange(flow_id, TriggerAction.REMOVED, before=old[id_])
        for id_ in old
        if id_ in removed
    ]
    return tuple(found)


def _change(flow_id: FlowId, before: Trigger | None, after: Trigger) -> TriggerChange | None:
    """Return the change from ``before`` to ``after``; ``None`` if they are equal."""
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
    """Return the change of an unchanged real-time trigger, which keeps its flow's old revision."""
    if not flow_changes or behaviour.realtime_reloads or not trigger.active:
        return None
    if trigger.category is not Category.REALTIME:
        return None
    return TriggerChange(flow_id, TriggerAction.KEPT, trigger, trigger, effect=Effect.NEEDS_RESTART)


def _completed(
    change: TriggerChange, now: datetime, behaviour: TriggerBehaviour, off: Collection[str] | None
) -> TriggerChange:
    """Add dates, run-time state and effect to a change."""
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
    """Return what happens to a trigger that was disabled at run time."""
    if change.trigger.category not in SWITCHABLE:
        return None
    if change.action is TriggerAction.RENAMED:
        return Effect.STATE_LOST
    if behaviour.change_enables:
        return Effect.SWITCHED_ON if change.properties else Effect.STAYS_OFF
    return Effect.STAYS_OFF


#: Triggers with a run-time state, which can be disabled on the server.
SWITCHABLE = frozenset({Category.SCHEDULE, Category.POLLING})


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    names = dict.fromkeys([*before, *after])
    for name in names:
        if name != "id" and before.get(name) != after.get(name):
            yield str(name)


def _renamed(old: Mapping[str, Trigger], new: Mapping[str, Trigger]) -> dict[str, str]:
    """Return new id → old id of triggers that are equal except for the id.

    Only unique pairs: equal triggers cannot be distinguished.
    """
    added = [each for id_, each in new.items() if id_ not in old]
    removed = [each for id_, each in old.items() if id_ not in new]
    pairs = {
        this.id: [that for that in removed if not any(_differing(that.properties, this.properties))]
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
    """The state of a trigger after an apply; stable in the JSON."""

    REGISTERED = "registered"
    ENABLED = "enabled"
    DISABLED = "disabled"
    MISSING = "missing"
    OLD_REVISION = "old-revision"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class TriggerCheck:
    """The check of a trigger after an apply.

    :param next_date: when it fires next, according to the server.
    :param revision: the revision of its flow that it ran; ``None`` if not checked.
    """

    flow_id: FlowId
    trigger_id: str
    status: TriggerStatus
    next_date: datetime | None = None
    revision: int | None = None

    @property
    def good(self) -> bool:
        """Whether it is as defined in Git."""
        return self.status in (TriggerStatus.REGISTERED, TriggerStatus.ENABLED)


def active_triggers(changes: Iterable[TriggerChange]) -> dict[TriggerKey, TriggerChange]:
    """Return the active triggers with a run-time state after these changes."""
    return {
        (each.flow_id, each.after.id): each
        for each in changes
        if each.after is not None and each.after.active and has_state(each.after)
    }


def has_state(trigger: Trigger) -> bool:
    """Return whether the scheduler has a state for it; not for flow triggers and webhooks."""
    return trigger.category in SWITCHABLE


def has_taken_effect(change: TriggerChange, check: TriggerCheck | None) -> bool:
    """Return whether the scheduler has processed the change, as far as visible.

    It has the expected next date, if known, and is enabled, if Kestra enables it: just after a
    write the old state is still returned.
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
    """Return a sentence for each trigger that is not as defined in Git."""
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
