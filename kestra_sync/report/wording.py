"""The words for each kind of change, shared by every format that people read."""

from __future__ import annotations

from kestra_sync.model import Action, Change, Plan, Reason

#: The sign before a change. ``!`` is for what somebody else did on the server.
_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.DELETE: "-",
    Action.MOVE: ">",
    Action.NONE: "=",
}
_ALERTS = frozenset({Reason.DRIFT, Reason.CONFLICT, Reason.RE_ENABLED, Reason.DRIFT_KEPT})

#: The notes of changes that a guard refuses.
_REFUSED = {
    Reason.DRIFT: "drift: edited on the server, refused (--on-drift fail)",
    Reason.CONFLICT: "conflict: changed in Git and edited on the server, refused",
    Reason.TAKE_OVER: "not deployed from here and different on the server, refused",
}

_NOTES = {
    Reason.RECREATED: "deleted on the server, will be created again",
    Reason.DRIFT: "drift: edited on the server, will be reverted",
    Reason.CONFLICT: "conflict: changed in Git and edited on the server",
    Reason.TAKE_OVER: "not ours yet, will be taken over",
    Reason.REMOVED: "no longer in Git",
    Reason.PRUNED: "not in Git (prune: scope)",
    Reason.ADOPT: "in sync, will be recorded as ours",
    Reason.KEPT_OFF: "switched off on the server, kept off",
    Reason.RE_ENABLED: "switched off on the server, will be switched on again",
    Reason.DRIFT_KEPT: "drift: edited on the server, left alone",
    Reason.PROTECTED: "no longer in Git, kept: it says '# kestra-sync: keep'",
    Reason.DROPPED: "gone on both sides, the record will be dropped",
    Reason.FOREIGN: "not in Git and not ours, left alone",
    Reason.UNTOUCHED: "no longer in Git, left alone",
}


def sign(change: Change) -> str:
    """One character that tells the kind of change at a glance."""
    return "!" if change.reason in _ALERTS else _SIGNS[change.action]


def is_alert(change: Change) -> bool:
    """Whether somebody else changed the flow on the server."""
    return change.reason in _ALERTS


def note(change: Change) -> str:
    """Why, in words; empty where the sign says it all."""
    if change.moved_from is not None:
        return f"moved from {change.moved_from.flow_id}; executions and trigger state stay there"
    if change.reason is Reason.CONFLICT and change.action is Action.DELETE:
        return "conflict: no longer in Git, but edited on the server"
    if change.refused and change.reason in _REFUSED:
        return _REFUSED[change.reason]
    return _NOTES.get(change.reason, "")


def plural(number: int, singular: str, many: str | None = None) -> str:
    """``1 flow``, ``2 flows``."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


def folders(source: str) -> str:
    """Paths as people write them: with a slash after what is no file, ``flows/``."""
    paths = source.split(", ")
    return ", ".join(
        path if path.endswith(("/", ".yaml", ".yml", "\\")) or not path else f"{path}/"
        for path in paths
    )


def summary(plan: Plan) -> str:
    """``Plan: 1 to create, 1 to update, 1 drifted, 1 to delete, 210 unchanged.``"""
    parts = [*_writes(plan), *_recording(plan)]
    if not parts:
        return f"No changes. {_nothing_to_do(plan)}"
    return f"Plan: {', '.join([*parts, f'{plan.unchanged:,} unchanged'])}."


def _recording(plan: Plan) -> list[str]:
    """What would be recorded beside the writes, in words: ``11 flows to adopt``."""
    found: list[str] = []
    for each in plan.record:
        number, _, words = each.message.partition(" ")
        if each.flows and not (plan.writes or found):
            found.append(f"{number} {'flow' if each.flows == 1 else 'flows'} {words}")
        else:
            found.append(each.message)
    return found


def question(plan: Plan) -> str:
    """``Apply 4 changes (3 to update, 1 to delete) to URL (tenant main, environment prod)?``

    All of what somebody has to know who says yes: what happens, and where.
    """
    environment = f", environment {plan.target.environment}" if plan.target.environment else ""
    parts = [*_writes(plan), *_recording(plan)]
    number = len(plan.writes) + len(plan.record)
    return (
        f"Apply {plural(number, 'change')} ({', '.join(parts)}) to"
        f" {plan.target.url} (tenant {plan.target.tenant}{environment})?"
    )


def _writes(plan: Plan) -> list[str]:
    """How many of each kind, in words; empty if nothing is to be written."""
    conflicts = sum(each.writes for each in plan.because(Reason.CONFLICT))
    drifted = sum(each.writes and is_alert(each) for each in plan.changes) - conflicts
    updates = plan.count(Action.UPDATE) - sum(
        each.action is Action.UPDATE and is_alert(each) for each in plan.changes
    )
    deletes = plan.count(Action.DELETE) - sum(
        each.action is Action.DELETE and is_alert(each) for each in plan.changes
    )
    return [
        f"{number:,} {words}"
        for number, words in (
            (plan.count(Action.CREATE), "to create"),
            (updates, "to update"),
            (plan.count(Action.MOVE), "to move"),
            (drifted, "drifted"),
            (conflicts, "in conflict"),
            (deletes, "to delete"),
        )
        if number
    ]


def _nothing_to_do(plan: Plan) -> str:
    where = "looked at" if plan.partial else "in Git"
    if not plan.flows:
        return f"No flows {where}."
    others = {
        words: number
        for reason, words in (
            (Reason.KEPT_OFF, "kept off"),
            (Reason.DRIFT_KEPT, "edited there and left so"),
        )
        if (number := sum(each.desired is not None for each in plan.because(reason)))
    }
    flows = f"{plural(plan.flows, 'flow')} {where}"
    if not others:
        return f"{flows}, all as on the server."
    same = plan.flows - sum(others.values())
    differ = ", ".join(f"{number:,} {words}" for words, number in others.items())
    return f"{flows}: {same:,} as on the server, {differ}."
