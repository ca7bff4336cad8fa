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
    """The detected drift.

    :param drifted: the flows that others changed or deleted; ``before`` is the live source, and
        ``base`` the last applied one, if the server still has it.
    :param kept_off: flows that others disabled, which an apply keeps disabled: not drift.
    :param disabled_triggers: triggers that are enabled in Git and disabled on the server, by flow
        and id: not drift.
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
    """Compare the server with the last applied state. Nothing is written.

    :raises UsageError: there is no name, and therefore no record to compare with.
    :raises RefusedError: if the inventory belongs to another repository, or cannot be used.
    :raises KestraError: if the server cannot be read.
    """
    place_of(settings, settings.scope or Scope(("",)))
    with connect(settings.connection, settings.parallelism) as client:
        # Edits are only reported here, whatever the settings say about them.
        looking = replace(settings, on_drift=OnDrift.REVERT, re_enable=False, display_only=True)
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
    """Keep the changes made on the server, where the source is not the recorded one."""
    for each in changes:
        base = bases.get(each.flow_id)
        if base is None or base.only_intended:
            continue
        edited = (
            each.reason.traits.edited
            and each.before is not None
            and sha256(each.before) not in base.live_hashes
        )
        if edited or each.reason.traits.deleted_on_server:
            yield each
