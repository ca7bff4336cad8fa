"""The three-way comparison for ``pull``: whether to write the server's source to Git."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.model import Action, Base, Change, Reason, StrEnum, sha256


class PullOutcome(StrEnum):
    """What happened to a flow; stable in the JSON."""

    UPDATED = "updated"
    CREATED = "created"
    LEFT = "left"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class PullDecision:
    """What to do with a flow, and the reason as text.

    :param doubtful: it is unknown which side changed the flow; the history may show it.
    :param final: must not be overwritten, even with ``--overwrite``.
    """

    pulled: PullOutcome
    reason: str
    doubtful: bool = False
    final: bool = False


def pull_decision(change: Change, base: Base | None, *, new: bool) -> PullDecision | None:
    """Determine the row of a flow; ``None`` if there is nothing to report.

    :param change: from a plan that does not prune and reverts drift.
    :param base: what was applied last.
    :param new: create files for flows that only exist on the server.
    """
    base = None if base is not None and base.only_intended else base
    if change.before is None:
        return _not_on_the_server(change, base)
    if change.desired is None:
        return _not_in_git(change, base, new=new)
    if change.before == change.desired.content:
        return None
    if base is None:
        return PullDecision(
            PullOutcome.CONFLICT,
            "differs, and there is no inventory to tell which side changed",
            doubtful=True,
        )
    git = base.file_sha256 != change.desired.git_sha256
    server = base.kept_off or sha256(change.before) not in base.live_hashes
    if not server:
        return PullDecision(PullOutcome.LEFT, "changed only in Git" if git else "as recorded")
    if change.reason is Reason.KEPT_OFF and change.action is Action.UPDATE:
        return PullDecision(PullOutcome.LEFT, "changed in Git; only disabled on the server")
    if git and change.reason is not Reason.KEPT_OFF:
        return PullDecision(PullOutcome.CONFLICT, "changed both in Git and on the server")
    return PullDecision(PullOutcome.UPDATED, "changed on the server")


def _not_on_the_server(change: Change, base: Base | None) -> PullDecision | None:
    if change.desired is None:
        return None
    return PullDecision(
        PullOutcome.LEFT, "only in Git" if base is None else "deleted on the server"
    )


def _not_in_git(change: Change, base: Base | None, *, new: bool) -> PullDecision | None:
    if base is None or change.reason.traits.only_there:
        return PullDecision(PullOutcome.CREATED, "only on the server") if new else None
    assert change.before is not None
    if sha256(change.before) in base.live_hashes:
        return PullDecision(PullOutcome.LEFT, "deleted in Git")
    return PullDecision(PullOutcome.CONFLICT, "deleted in Git, and changed on the server")
