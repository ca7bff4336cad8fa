"""``drift``: changes made on the server since the last apply."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from kestra_sync.client.client import connect
from kestra_sync.client.errors import KestraError
from kestra_sync.commands.plan import PlanResult, make_plan
from kestra_sync.commands.triggers import disabled_triggers
from kestra_sync.errors import ExitCode
from kestra_sync.inventory.read import place_of
from kestra_sync.model import Base, Change, FlowId, Reason, Scope, sha256
from kestra_sync.observer import SILENT, Observer
from kestra_sync.settings import OnDrift, Settings
from kestra_sync.triggers.changes import TriggerKey


@dataclass(frozen=True)
class DriftResult:
    """What was found.

    :param drifted: the flows that others changed or deleted; each with its live source as
        ``before`` and, where the server still has it, what we applied as ``base``.
    :param kept_off: those that others disabled, and an apply keeps disabled: shown, but not drift.
    :param disabled_triggers: the triggers that are enabled in Git and disabled on the server, by
        flow and id: shown, but not drift.
    """

    planned: PlanResult
    drifted: tuple[Change, ...]
    kept_off: tuple[Change, ...] = ()
    disabled_triggers: tuple[TriggerKey, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """2 if anything drifted, 3 if the files could not be read."""
        if self.planned.plan is None:
            return ExitCode.INVALID
        return ExitCode.CHANGES if self.drifted else ExitCode.OK


def drift(settings: Settings, *, observer: Observer = SILENT) -> DriftResult:
    """Compare the server with what we applied last. Nothing is written.

    :raises UsageError: without a name there is no record to compare with.
    :raises RefusedError: if the inventory is another repository's, or cannot be used.
    :raises KestraError: if the server cannot be read.
    """
    place_of(settings, settings.scope or Scope(("",)))
    with connect(settings.connection, settings.parallelism) as client:
        # Whatever the settings do about edits, here they are only to be seen.
        looking = replace(settings, on_drift=OnDrift.REVERT, re_enable=False, only_looking=True)
        planned = make_plan(looking, client, observer=observer)
        disabled: tuple[TriggerKey, ...] = ()
        if planned.plan is not None:
            with suppress(
                KestraError
            ):  # without permission to read triggers, drift can still be detected
                disabled = disabled_triggers(client, planned.plan.scope, planned.desired)
    if planned.plan is None or planned.ownership is None:
        return DriftResult(planned, ())
    bases = planned.ownership.bases
    return DriftResult(
        planned,
        tuple(drifted(planned.plan.changes, bases)),
        planned.plan.because(Reason.KEPT_OFF),
        disabled,
    )


def drifted(changes: Iterable[Change], bases: dict[FlowId, Base]) -> Iterable[Change]:
    """The changes that come from the server's side: its source is not the one we recorded."""
    for each in changes:
        base = bases.get(each.flow_id)
        if base is None or base.only_intended:
            continue
        edited = (
            each.reason.traits.edited
            and each.before is not None
            and sha256(each.before) not in base.live_hashes
        )
        if edited or each.reason.traits.gone:
            yield each
