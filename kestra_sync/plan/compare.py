"""The three-way table: what to do with one flow, from its desired, live and base state.

The rows are those of ``docs/architecture.md``; each has a test by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.model import Action, Base, Desired, Kind, Live, Reason
from kestra_sync.plan.switched_off import says_disabled, switch_off, switched_off
from kestra_sync.settings import OnDrift


@dataclass(frozen=True)
class Rules:
    """The settings that bear on the comparison.

    :param tracked: there is an inventory; without one nothing is ever "not ours yet".
    :param prune_all: ``prune: scope`` – delete what Git does not have, regardless of its origin.
    :param prune_owned: ``prune: owned`` (or ``scope``) – what we deployed and Git dropped goes.
    :param re_enable: re-enable flows that were disabled on the server.
    """

    tracked: bool = True
    prune_owned: bool = False
    prune_all: bool = False
    re_enable: bool = False
    on_drift: OnDrift = OnDrift.REVERT


@dataclass(frozen=True)
class Verdict:
    """A row of the table, and the bytes to send where they are not the file's."""

    action: Action
    reason: Reason
    after: bytes | None = None


def compare(
    desired: Desired | None,
    live: Live | None,
    base: Base | None,
    rules: Rules,
    base_source: bytes | None = None,
) -> Verdict:
    """Place one flow in the table. At least one of the three must be there.

    :param base_source: the text we applied last, where the caller could get it: it tells a flow
        that was only disabled from one that was edited.
    """
    if desired is None:
        return _not_in_git(live, base, rules, base_source)
    if live is None:
        again = base is not None and not base.only_intended
        return Verdict(Action.CREATE, Reason.RECREATED if again else Reason.NEW, desired.sent)
    if desired.sent_sha256 == live.sha256:
        return _equal(desired, live, base, rules)
    return _different(desired, live, base, rules, base_source)


def _equal(desired: Desired, live: Live, base: Base | None, rules: Rules) -> Verdict:
    if not rules.tracked:
        return Verdict(Action.NONE, Reason.IN_SYNC, desired.sent)
    if base is None:
        return Verdict(Action.NONE, Reason.ADOPT, desired.sent)
    recorded = (
        base.live_hashes == {live.sha256}
        and base.file_sha256 == desired.git_sha256
        and base.path == desired.path
        and not base.only_intended
    )
    reason = Reason.IN_SYNC if recorded else Reason.REFRESHED
    return Verdict(Action.NONE, reason, desired.sent)


def _different(
    desired: Desired, live: Live, base: Base | None, rules: Rules, base_source: bytes | None
) -> Verdict:
    is_flow = desired.flow_id.kind is Kind.FLOW  # nothing else can be switched off
    if is_flow and switched_off(live.source, desired.sent):
        if rules.re_enable:
            return Verdict(Action.UPDATE, Reason.RE_ENABLED, desired.sent)
        return Verdict(Action.NONE, Reason.KEPT_OFF, live.source)
    if base is None or _never_ours(live, base):
        reason = Reason.TAKE_OVER if rules.tracked else Reason.CHANGED
        return Verdict(Action.UPDATE, reason, desired.sent)
    ours = live.sha256 in base.live_hashes
    only_off = (ours and base.kept_off) or (
        is_flow and not ours and base_source is not None and switched_off(live.source, base_source)
    )
    if only_off and not rules.re_enable and not says_disabled(desired.sent):
        # Git changed, the flow was only disabled on the server: deploy the change, keep it
        # disabled.
        return Verdict(Action.UPDATE, Reason.KEPT_OFF, switch_off(desired.sent))
    if ours or only_off:
        return Verdict(Action.UPDATE, Reason.CHANGED, desired.sent)
    if rules.on_drift is OnDrift.KEEP:
        return Verdict(Action.NONE, Reason.DRIFT_KEPT, live.source)
    if base.file_sha256 == desired.git_sha256:
        return Verdict(Action.UPDATE, Reason.DRIFT, desired.sent)
    return Verdict(Action.UPDATE, Reason.CONFLICT, desired.sent)


def _not_in_git(
    live: Live | None, base: Base | None, rules: Rules, base_source: bytes | None
) -> Verdict:
    if live is None:
        return Verdict(Action.NONE, Reason.DROPPED)
    if base is None or _never_ours(live, base):
        if rules.prune_all:
            return Verdict(Action.DELETE, Reason.PRUNED)
        return Verdict(Action.NONE, Reason.FOREIGN, live.source)
    if not rules.prune_owned:
        return Verdict(Action.NONE, Reason.UNTOUCHED, live.source)
    if live.sha256 in base.live_hashes or rules.on_drift is OnDrift.OVERWRITE:
        return Verdict(Action.DELETE, Reason.REMOVED)
    if base_source is not None and switched_off(live.source, base_source):
        return Verdict(Action.DELETE, Reason.REMOVED)
    if rules.on_drift is OnDrift.KEEP:
        return Verdict(Action.NONE, Reason.DRIFT_KEPT, live.source)
    return Verdict(Action.DELETE, Reason.CONFLICT)


def _never_ours(live: Live, base: Base) -> bool:
    """We only meant to create it, and the existing flow belongs to someone else."""
    return base.only_intended and live.sha256 not in base.live_hashes
