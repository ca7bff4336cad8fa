"""What became of triggers after an apply, from what Git says and what the scheduler says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kestra_sync.model import FlowId, StrEnum
from kestra_sync.triggers.changes import SWITCHABLE, TriggerChange
from kestra_sync.triggers.definition import Trigger

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


def settled(change: TriggerChange, check: TriggerCheck | None) -> bool:
    """Whether the scheduler has taken the change in, as far as can be seen.

    Where a date is known, that date is waited for: right after a write the state of before is
    still there.
    """
    if check is None or check.status is TriggerStatus.MISSING:
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
