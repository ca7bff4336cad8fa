"""What a plan does to triggers, with what the server knows of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kestra_sync.client.errors import KestraError
from kestra_sync.model import Change, Desired, FlowId, Kind, Scope
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.load import parse_source
from kestra_sync.resources import in_memory
from kestra_sync.triggers.changes import (
    SWITCHABLE,
    TriggerAction,
    TriggerBehaviour,
    TriggerChange,
    TriggerCheck,
    TriggerKey,
    active_triggers,
    trigger_changes,
    warnings_of,
)
from kestra_sync.triggers.definition import triggers_of

if TYPE_CHECKING:
    from kestra_sync.apply.run import Outcome
    from kestra_sync.client.client import KestraClient
    from kestra_sync.client.triggers import TriggerState

LOG = logging.getLogger("kestra_sync.commands")

TriggerChanges = Mapping[FlowId, tuple[TriggerChange, ...]]


def planned_triggers(client: KestraClient, changes: Iterable[Change]) -> TriggerChanges:
    """What ``changes`` do to the triggers of each flow.

    The server is asked only if a trigger changes that it may have disabled: whether it has decides
    what Kestra does next. If it cannot be asked, the plan says what would happen in either case.
    """
    can = client.server_info().can
    behaviour = TriggerBehaviour(can.trigger_change_enables, can.realtime_reloads)
    now = datetime.now(timezone.utc)
    sources = {each.flow_id: values for each in changes if (values := _values_of(each)) is not None}
    found = {
        flow_id: trigger_changes(flow_id, before, after, now=now, behaviour=behaviour)
        for flow_id, (before, after) in sources.items()
    }
    asking = [flow_id for flow_id, each in found.items() if any(map(_state_matters, each))]
    off = _off(client, asking)
    if off is not None:
        for flow_id in asking:
            before, after = sources[flow_id]
            ids = [trigger for flow, trigger in off if flow == flow_id]
            found[flow_id] = trigger_changes(
                flow_id, before, after, now=now, behaviour=behaviour, off=ids
            )
    return {flow_id: each for flow_id, each in found.items() if each}


def _state_matters(change: TriggerChange) -> bool:
    """Whether Kestra has a state of the trigger that outlives the change or is lost by it."""
    return (
        change.action not in (TriggerAction.NEW, TriggerAction.REMOVED, TriggerAction.KEPT)
        and change.trigger.category in SWITCHABLE
    )


def _off(client: KestraClient, flows: Iterable[FlowId]) -> list[tuple[FlowId, str]] | None:
    """The triggers of these namespaces that are disabled on the server."""
    states = read_states(client, flows)
    if states is None:
        return None
    return [(each.flow_id, each.trigger_id) for each in states if each.disabled]


def read_states(client: KestraClient, flows: Iterable[FlowId]) -> tuple[TriggerState, ...] | None:
    """The states of the triggers in the namespaces of ``flows``; ``None`` if they are unreadable.

    They are a help to the reader of a plan: a server that does not tell them stops nothing.
    """
    namespaces = tuple(dict.fromkeys(each.namespace for each in flows))
    if not namespaces:
        return ()
    try:
        return client.triggers.search(Scope(namespaces, exact=True))
    except KestraError as error:
        LOG.info("the states of triggers cannot be read: %s", error)
        return None


def _values_of(change: Change) -> tuple[object, object] | None:
    """The parsed sources before and after; ``None`` where there is nothing to report."""
    if not change.writes or change.invalid or change.flow_id.kind is not Kind.FLOW:
        return None
    # The triggers of a moved flow are new: Kestra keeps their state with the old name.
    before, after = (
        None if each is None else _value(in_memory(each)) for each in (change.before, change.after)
    )
    return None if before is None and after is None else (before, after)


def _value(source: bytes | None) -> object:
    """A parsed source; ``None`` if there is none, or none with triggers to be read."""
    if source is None:
        return None
    if b"trigger" not in source:
        return {}
    parsed = parse_source(source)
    return parsed.value if isinstance(parsed, ParsedDocument) else {}


def disabled_triggers(
    client: KestraClient, scope: Scope, desired: Mapping[FlowId, Desired]
) -> tuple[TriggerKey, ...]:
    """The triggers that fire by Git's account and are disabled on the server, sorted.

    :raises KestraError: the server does not tell.
    """
    found = []
    for state in client.triggers.search(scope):
        flow = desired.get(state.flow_id)
        if state.disabled and flow is not None:
            trigger = triggers_of(_value(flow.sent)).get(state.trigger_id)
            if trigger is not None and trigger.active:
                found.append((state.flow_id, state.trigger_id))
    return tuple(sorted(found))


def check_after_apply(
    client: KestraClient,
    planned: TriggerChanges,
    outcomes: Iterable[Outcome],
    enabling: Iterable[TriggerKey],
    *,
    verify: bool,
) -> tuple[tuple[TriggerCheck, ...], tuple[str, ...]]:
    """Look at the triggers that an apply changed, and enable those of ``enabling``.

    :param verify: wait longer for them, and for the next run of those that fire soon.
    :returns: how they were found, and what went wrong besides.
    """
    from kestra_sync.apply.run import ChangeStatus
    from kestra_sync.apply.triggers import TIMEOUT, VERIFY_TIMEOUT, TriggerWatch, unreadable

    outcomes = tuple(outcomes)
    written = {
        each.change.flow_id: each.revision
        for each in outcomes
        if each.status is ChangeStatus.APPLIED
    }
    changed = active_triggers(
        each for flow_id, them in planned.items() if flow_id in written for each in them
    )
    failed = {each.change.flow_id for each in outcomes} - written.keys()
    enabling = tuple(each for each in enabling if each[0] not in failed)
    if not (changed or enabling):
        return (), ()
    watch = TriggerWatch(client)
    notes: tuple[str, ...] = ()
    try:
        watch.enable(enabling)
    except KestraError as error:
        notes = (f"triggers could not be enabled: {error}",)
    timeout = VERIFY_TIMEOUT if verify else TIMEOUT
    try:
        checks = watch.wait_until_settled(changed, enabling, timeout=0 if notes else timeout)
        if verify:
            revisions = {flow: number for flow, number in written.items() if number is not None}
            checks = watch.verified(checks, revisions)
    except KestraError as error:
        LOG.info("the states of triggers cannot be read: %s", error)
        if not (verify or enabling or notes):
            return (), ()
        checks = unreadable({*changed, *enabling})
    return checks, (*notes, *warnings_of(checks))
