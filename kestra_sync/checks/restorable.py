"""Whether the current flows on the server could be written again by a rollback.

Servers hold flows that they would refuse today: a Kestra that was updated from 1.x, where an update
takes unknown properties and old types, keeps them, and 2.0 takes none of it. Until 1.3 the way back
is an update, which refuses nothing that can be parsed.
"""

from __future__ import annotations

from collections.abc import Collection

from kestra_sync.checks.server import ValidationClient, halves, is_draft, words_of
from kestra_sync.model import Change, Diagnostic, Kind, Severity
from kestra_sync.resources import is_in_memory

RULE = "rollback-refused"


def check_restorable(
    flows: ValidationClient, changes: Collection[Change]
) -> tuple[Diagnostic, ...]:
    """A warning for each flow about to be changed or deleted that no rollback could restore.

    Only for servers whose updates are strict.

    :raises KestraError: if the server cannot be asked.
    """
    # A draft is stored whatever is wrong with it.
    touched = [
        (change, change.before)
        for change in halves(changes)
        if change.writes
        and change.flow_id.kind is Kind.FLOW
        and is_in_memory(change.before)
        and not is_draft(change.before)
    ]
    if not touched:
        return ()
    verdicts = flows.validate([before for _change, before in touched])
    return tuple(
        Diagnostic(
            path=change.path or "",
            position=None,
            severity=Severity.WARNING,
            rule=RULE,
            message=f"{change.flow_id}: a rollback cannot restore the current version on the "
            f"server, because this Kestra rejects it: {words_of(verdict.constraints[0])}",
            remedy="fix the flow so that Kestra accepts it, or apply it separately with --only "
            "and without --rollback",
            flow=change.flow_id,
        )
        for (change, _before), verdict in zip(touched, verdicts, strict=True)
        if verdict.constraints
    )
