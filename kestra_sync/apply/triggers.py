"""Checks the triggers after an apply, and enables those that were requested."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from kestra_sync.client.answer import time_of
from kestra_sync.model import FlowId, Scope
from kestra_sync.triggers.changes import (
    TriggerChange,
    TriggerCheck,
    TriggerKey,
    TriggerStatus,
    has_taken_effect,
)

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

#: Seconds to wait for the state of a trigger; an idle server has it within one second.
TIMEOUT = 5.0
#: The same for ``--verify-triggers``.
VERIFY_TIMEOUT = 60.0
#: Do not wait for a scheduled run that is further away than this, in seconds.
LONGEST_TICK = 90.0
#: Seconds after the scheduled time within which the execution must exist.
TICK_TIMEOUT = 30.0
_PAUSE = 0.5


class TriggerWatch:
    """Watches the triggers of one server.

    :param sleep: waits for a number of seconds.
    :param clock: returns the time in seconds.
    """

    def __init__(
        self,
        client: KestraClient,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._clock = clock

    def enable(self, triggers: Collection[TriggerKey]) -> None:
        """Enable triggers that are disabled on the server.

        :raises KestraError: the server refuses.
        """
        if triggers:
            self._client.triggers.set_disabled(triggers, disabled=False)

    def wait_until_settled(
        self,
        changed: Mapping[TriggerKey, TriggerChange],
        enabled: Collection[TriggerKey] = (),
        *,
        timeout: float = TIMEOUT,
    ) -> tuple[TriggerCheck, ...]:
        """Return the state of the triggers once they have settled, or after ``timeout`` seconds.

        :param changed: the triggers that the apply changed.
        :param enabled: the triggers that were just enabled.
        :raises KestraError: the states cannot be read.
        """
        keys = sorted({*changed, *enabled})
        deadline = self._clock() + timeout
        while True:
            found = self._checks(keys, enabled)
            waiting = [
                key
                for key, check in found.items()
                if (key in changed and not has_taken_effect(changed[key], check))
                or (key in enabled and check.status is not TriggerStatus.ENABLED)
            ]
            if not waiting or self._clock() >= deadline:
                return tuple(found[key] for key in keys)
            self._sleep(_PAUSE)

    def _checks(
        self, keys: Iterable[TriggerKey], enabled: Collection[TriggerKey]
    ) -> dict[TriggerKey, TriggerCheck]:
        keys = tuple(keys)
        namespaces = tuple(dict.fromkeys(flow_id.namespace for flow_id, _ in keys))
        scope = Scope(namespaces, exact=True)
        found_states = self._client.triggers.search(scope)
        states = {(each.flow_id, each.trigger_id): each for each in found_states}
        found = {}
        for key in keys:
            state = states.get(key)
            status = TriggerStatus.ENABLED if key in enabled else TriggerStatus.REGISTERED
            if state is None:
                status = TriggerStatus.MISSING
            elif state.disabled:
                status = TriggerStatus.DISABLED
            date = None if state is None or state.disabled else state.next_date
            found[key] = TriggerCheck(*key, status, date)
        return found

    def verified(
        self, checks: Iterable[TriggerCheck], revisions: Mapping[FlowId, int]
    ) -> tuple[TriggerCheck, ...]:
        """Add the revision of the next run to each check, if that run is near.

        :param revisions: the revision that was written of each flow.
        :raises KestraError: the executions cannot be read.
        """
        checks = tuple(checks)
        now = datetime.now(timezone.utc)
        near = {
            each: each.next_date
            for each in checks
            if each.good
            and each.flow_id in revisions
            and each.next_date is not None
            and each.next_date - now <= timedelta(seconds=LONGEST_TICK)
        }
        if not near:
            return checks
        last = max(0.0, (max(near.values()) - now).total_seconds())
        deadline = self._clock() + last + TICK_TIMEOUT
        ran: dict[TriggerCheck, int] = {}
        while len(ran) < len(near) and self._clock() < deadline:
            self._sleep(2 * _PAUSE)
            for check, tick in near.items():
                if check not in ran:
                    revision = self._revision_run_at(check, tick)
                    if revision is not None:
                        ran[check] = revision
        return tuple(self._with_revision(each, ran.get(each), revisions) for each in checks)

    def _revision_run_at(self, check: TriggerCheck, tick: datetime) -> int | None:
        """Return the revision of the latest run that the trigger started at ``tick`` or later."""
        scope = Scope((check.flow_id.namespace,), exact=True)
        found = self._client.executions.search(scope, flow_id=check.flow_id.id, limit=20)
        for each in found:
            trigger = each.raw.get("trigger")
            if isinstance(trigger, dict) and trigger.get("id") not in (None, check.trigger_id):
                continue
            started = time_of(each.start)
            if started is not None and started >= tick:
                return each.revision
        return None

    @staticmethod
    def _with_revision(
        check: TriggerCheck, revision: int | None, revisions: Mapping[FlowId, int]
    ) -> TriggerCheck:
        if revision is None:
            return check
        status = check.status
        if revision < revisions[check.flow_id]:
            status = TriggerStatus.OLD_REVISION
        return replace(check, status=status, revision=revision)


def unreadable(keys: Iterable[TriggerKey]) -> tuple[TriggerCheck, ...]:
    """Return a check with an unknown status for triggers whose state cannot be read."""
    return tuple(TriggerCheck(*key, TriggerStatus.UNKNOWN) for key in sorted(keys))
