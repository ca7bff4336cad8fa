"""The effect of a plan on triggers, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from kestra_sync.model import Change, FlowId, Plan, plural
from kestra_sync.report.lines import Line, Span, Style, line
from kestra_sync.report.report import Report
from kestra_sync.triggers.changes import (
    Effect,
    TriggerAction,
    TriggerChange,
    TriggerCheck,
    TriggerKey,
    TriggerStatus,
)
from kestra_sync.triggers.dates import zone_of
from kestra_sync.triggers.definition import Category, Trigger, webhook_url

_STYLES = {
    TriggerAction.NEW: Style.CREATE,
    TriggerAction.STARTED: Style.CREATE,
    TriggerAction.CHANGED: Style.UPDATE,
    TriggerAction.RENAMED: Style.UPDATE,
    TriggerAction.REMOVED: Style.DELETE,
    TriggerAction.STOPPED: Style.DELETE,
    TriggerAction.KEPT: Style.DIM,
}

#: The properties whose values are shown; other values are in the diff.
_SHOWN = ("cron", "timezone", "interval")

#: For a trigger that is known to be disabled on the server.
_EFFECTS = {
    Effect.STAYS_OFF: "disabled on the server, and stays disabled after this change",
    Effect.SWITCHED_ON: (
        "disabled on the server; this change enables it and starts the executions that were missed"
    ),
    Effect.STATE_LOST: "disabled on the server; under its new id it is enabled",
    Effect.NEEDS_RESTART: "runs the old revision of the flow until the trigger is restarted",
}
#: For one whose state is not known.
_EFFECTS_IF = {
    Effect.STAYS_OFF: "stays disabled if it was disabled on the server",
    Effect.SWITCHED_ON: (
        "if it was disabled on the server, this change enables it and starts the executions that "
        "were missed"
    ),
    Effect.STATE_LOST: "if it was disabled on the server, it is enabled under its new id",
}


def trigger_lines(changes: Iterable[TriggerChange], plan: Plan, *, indent: int) -> Iterator[Line]:
    """Show each changed trigger, its next dates and the effect of the change.

    Removed triggers are listed in one line.
    """
    pad = " " * indent
    removed = []
    for each in changes:
        if each.action is TriggerAction.REMOVED:
            removed.append(each.trigger.id)
            continue
        title = Span(f"trigger {each.trigger.id}", _STYLES[each.action])
        yield line(pad, title, f": {trigger_note(each, plan)}")
        if each.dates:
            yield line(pad, f"  next {dates_text(each.dates, each.trigger)}")
        if each.effect is not None:
            style = Style.WARNING if _surprises(each) else Style.DIM
            yield line(pad, "  ", Span(effect_text(each, plan) or "", style))
    if removed:
        title = Span(f"trigger{'s' if len(removed) > 1 else ''} removed", Style.DELETE)
        yield line(pad, title, f": {', '.join(removed)}")


def _surprises(change: TriggerChange) -> bool:
    return bool(change.off) or change.effect is Effect.NEEDS_RESTART


def trigger_note(change: TriggerChange, plan: Plan) -> str:
    """Return the change of a trigger, without its name."""
    before, after = change.before, change.after
    if change.action is TriggerAction.REMOVED:
        return "removed"
    assert after is not None
    if change.action is TriggerAction.NEW:
        return ", ".join(["new", *_facts(after, change.flow_id, plan)])
    if change.action is TriggerAction.KEPT:
        return "unchanged"
    if change.action is TriggerAction.STARTED:
        return ", ".join(["enabled", *_facts(after, change.flow_id, plan)])
    if change.action is TriggerAction.STOPPED:
        return "disabled, as the flow is" if after.flow_disabled else "disabled"
    assert before is not None
    if change.action is TriggerAction.RENAMED:
        return f"renamed from {before.id}"
    return _changed(change, before, after)


def _changed(change: TriggerChange, before: Trigger, after: Trigger) -> str:
    words = [
        f"{name} {_quoted(before, name)} → {_quoted(after, name)}"
        for name in _SHOWN
        if name in change.properties
    ]
    if "disabled" in change.properties:
        words.append("enabled" if after.active else "disabled")
    others = [each for each in change.properties if each not in (*_SHOWN, "disabled")]
    if others:
        words.append(f"{'also ' if words else ''}{', '.join(others)} changed")
    return ", ".join(words)


def _quoted(trigger: Trigger, name: str) -> str:
    value = trigger.properties.get(name)
    return "(none)" if value is None else f'"{value}"'


def _facts(trigger: Trigger, flow_id: FlowId, plan: Plan) -> list[str]:
    """Return what makes the trigger fire."""
    facts = []
    if trigger.cron is not None:
        facts.append(f'cron "{trigger.cron}"')
    elif trigger.category is Category.WEBHOOK:
        facts.append(webhook_url(plan.target.url, plan.target.tenant, flow_id))
    elif trigger.category is Category.POLLING and trigger.interval is not None:
        facts.append(f"polls every {trigger.interval}")
    elif trigger.category is not Category.SCHEDULE:
        facts.append(
            {
                Category.FLOW: "fires on executions of other flows",
                Category.REALTIME: "fires in real time",
            }.get(trigger.category, "polls")
        )
    return facts if trigger.active else [*facts, "disabled"]


def dates_text(dates: Sequence[datetime], trigger: Trigger) -> str:
    """Format dates and their time zone."""
    seconds = any(each.second for each in dates)
    shown = [each.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M") for each in dates]
    zone = trigger.timezone or "no timezone set: UTC assumed"
    conditions = "; if its conditions are met" if trigger.conditional else ""
    return f"{', '.join(shown)} ({zone}{conditions})"


def effect_text(change: TriggerChange, plan: Plan) -> str | None:
    """Return the effect on the state of the trigger in Kestra; ``None`` if there is none."""
    if change.effect is None:
        return None
    known = change.off or change.effect is Effect.NEEDS_RESTART
    words = (_EFFECTS if known else _EFFECTS_IF)[change.effect]
    return f"{words} (Kestra {plan.server_version})"


def triggers_of(report: Report, change: Change) -> Iterator[str]:
    """Return a sentence for each trigger of a change, for table cells and lists."""
    plan = report.plan
    if plan is None or report.drifted is not None:
        return
    checks = {(each.flow_id, each.trigger_id): each for each in report.trigger_checks}
    for each in report.triggers.get(change.flow_id, ()):
        parts = [f"trigger {each.trigger.id}: {trigger_note(each, plan)}"]
        if each.dates:
            parts.append(f"next {dates_text(each.dates, each.trigger)}")
        effect = effect_text(each, plan)
        if effect:
            parts.append(effect)
        check = checks.get((each.flow_id, each.trigger.id))
        if check is not None:
            parts.append(f"after the apply: {_found(check, each.trigger)}")
        yield "; ".join(parts)


def checked_words(checks: Sequence[TriggerCheck]) -> str:
    """``Triggers: 3 of 4 active on the server, 1 of them enabled by this apply.``"""
    good = [each for each in checks if each.good]
    enabled = sum(each.status is TriggerStatus.ENABLED for each in good)
    also = f", {enabled:,} of them enabled by this apply" if enabled else ""
    return f"Triggers: {len(good):,} of {len(checks):,} active on the server{also}."


def _found(check: TriggerCheck, trigger: Trigger) -> str:
    ran = "" if check.revision is None else f", seen running revision {check.revision}"
    words = _next_text(check, trigger) if check.good else str(check.status).replace("-", " ")
    return f"{words}{ran}"


def triggers_json(
    triggers: Mapping[FlowId, Sequence[TriggerChange]], plan: Plan | None
) -> list[dict[str, Any]]:
    """Return the changed triggers, sorted by flow."""
    if plan is None:
        return []
    return [_json(each, plan) for _, found in sorted(triggers.items()) for each in found]


def _json(change: TriggerChange, plan: Plan) -> dict[str, Any]:
    trigger, before, after = change.trigger, change.before, change.after
    hook = trigger.category is Category.WEBHOOK
    return {
        "flow": {"namespace": change.flow_id.namespace, "id": change.flow_id.id},
        "id": trigger.id,
        "type": trigger.type,
        "category": str(trigger.category),
        "action": str(change.action),
        "active": after is not None and after.active,
        "renamed_from": before.id if before is not None and before.id != trigger.id else None,
        "cron_before": None if before is None else before.cron,
        "cron": None if after is None else after.cron,
        "timezone": trigger.timezone,
        "properties": list(change.properties),
        "next": [each.isoformat() for each in change.dates],
        "url": webhook_url(plan.target.url, plan.target.tenant, change.flow_id) if hook else None,
        "disabled_on_server": change.off,
        "effect": None if change.effect is None else str(change.effect),
        "message": effect_text(change, plan),
    }


def enabling_lines(triggers: Sequence[TriggerKey]) -> Iterator[Line]:
    """List the triggers that an apply enables."""
    if triggers:
        words = "disabled on the server, to be enabled as in Git:"
        yield line(Span(f"{plural(len(triggers), 'trigger')} {words}", Style.HEADING))
        for flow_id, trigger in triggers:
            yield line("  ", Span("~", Style.UPDATE), f" {flow_id} {trigger}")


def disabled_lines(triggers: Sequence[TriggerKey]) -> Iterator[Line]:
    """List the triggers that are disabled on the server and enabled in Git."""
    if triggers:
        number = plural(len(triggers), "trigger")
        yield line(Span(f"  {number} disabled on the server, enabled in Git:", Style.DIM))
        for flow_id, trigger in triggers:
            yield line(Span(f"    {flow_id} {trigger}", Style.DIM))


def check_lines(
    checks: Sequence[TriggerCheck], changes: Mapping[FlowId, Sequence[TriggerChange]]
) -> Iterator[Line]:
    """Show the state of triggers after an apply; problems are warnings of the run."""
    good = [each for each in checks if each.good]
    if not good:
        return
    zones = {(each.flow_id, each.trigger.id): each for them in changes.values() for each in them}
    yield line(checked_words(checks))
    for each in good:
        change = zones.get((each.flow_id, each.trigger_id))
        when = _next_text(each, None if change is None else change.trigger)
        ran = "" if each.revision is None else f", seen running revision {each.revision}"
        if when or ran:
            yield line(Span(f"  {each.flow_id} {each.trigger_id}: {when}{ran}", Style.DIM))


def _next_text(check: TriggerCheck, trigger: Trigger | None) -> str:
    if check.next_date is None:
        return "active"
    zone = None if trigger is None else trigger.timezone
    date = check.next_date.astimezone(zone_of(zone) or timezone.utc)
    return f"next {date.strftime('%Y-%m-%d %H:%M:%S')} ({zone or 'UTC'})"


def keys_json(triggers: Iterable[TriggerKey]) -> list[dict[str, Any]]:
    """Triggers by flow and id."""
    return [
        {"flow": {"namespace": flow_id.namespace, "id": flow_id.id}, "id": trigger}
        for flow_id, trigger in triggers
    ]


def checks_json(checks: Iterable[TriggerCheck]) -> list[dict[str, Any]]:
    """Return the state of each trigger after an apply."""
    return [
        {
            "flow": {"namespace": each.flow_id.namespace, "id": each.flow_id.id},
            "id": each.trigger_id,
            "status": str(each.status),
            "next": None if each.next_date is None else each.next_date.isoformat(),
            "revision": each.revision,
        }
        for each in checks
    ]
