"""Rules that refuse a plan. Each names n of m and the remedy; the plan is shown first.

Taken from octoDNS, which refuses updates and deletions beyond a share of what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kestra_sync.errors import ExitCode
from kestra_sync.model import Action, Change, Diagnostic, FlowId, Plan, Reason, Severity
from kestra_sync.settings import DELETE_LIMIT, UPDATE_LIMIT, Limit, OnDrift

if TYPE_CHECKING:
    from kestra_sync.repo.incomplete import MissingPath


@dataclass(frozen=True)
class Refusal:
    """Why a plan is not carried out.

    :param rule: the stable name of the guard.
    :param flows: the changes it refers to, if it refuses single ones and not the whole plan.
    """

    rule: str
    message: str
    remedy: str
    exit_code: ExitCode = ExitCode.REFUSED
    flows: tuple[FlowId, ...] = ()


@dataclass(frozen=True)
class GuardInput:
    """What the guards look at, beside the plan.

    :param owned: how many flows of the scope the inventory says are ours.
    :param live: how many live flows the scope holds.
    :param prune_scope: whatever the scope holds beside Git is deleted.
    :param silent_paths: returns whether a recorded path still exists but no longer contains the
        flow.
    :param not_here: returns where Git may still have a flow that is missing in the working tree, by
        the flow and the path it came from.
    :param owners: flows of other inventories, and their names.
    :param protected: namespaces that nothing is done to, dot-aware.
    :param callers: for each flow that would be deleted, the remaining flows that call it.
    :param similar: other inventories of this repository that may be ours under an old name.
    :param name: the name of our inventory.
    :param first_contact: flows that we have never deployed may be overwritten.
    """

    owned: int
    live: int
    prune_scope: bool = False
    silent_paths: Callable[[str], bool] = lambda _path: False
    not_here: Callable[[FlowId, str | None], MissingPath | None] = lambda _flow, _path: None
    owners: Mapping[FlowId, str] | None = None
    protected: Collection[str] = ()
    callers: Mapping[FlowId, tuple[FlowId, ...]] | None = None
    delete_limit: Limit = DELETE_LIMIT
    update_limit: Limit = UPDATE_LIMIT
    allow_large: bool = False
    allow_skipped_delete: bool = False
    on_drift: OnDrift = OnDrift.REVERT
    similar: tuple[str, ...] = ()
    name: str = ""
    first_contact: bool = False


def check_guards(plan: Plan, given: GuardInput) -> tuple[Refusal, ...]:
    """Everything that speaks against carrying out ``plan``; empty if nothing does."""
    return tuple(refusal for guard in _GUARDS for refusal in guard(plan, given))


def deleted(plan: Plan) -> tuple[Change, ...]:
    """What goes away, the old places of moves included."""
    gone = [each for each in plan.changes if each.action is Action.DELETE]
    gone += [each.moved_from for each in plan.changes if each.moved_from is not None]
    return tuple(gone)


def _conflicts(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    found = plan.because(Reason.CONFLICT)
    if found and given.on_drift is not OnDrift.OVERWRITE:
        yield Refusal(
            "conflict",
            f"{_flows(found)} changed both in Git and on the server",
            "merge the server's change into Git (commit, run 'kestra-sync pull --overwrite' and"
            " compare with 'git diff'), or pass --on-drift overwrite",
            ExitCode.CONFLICT,
            _ids(found),
        )
    drifted = plan.because(Reason.DRIFT)
    if drifted and given.on_drift is OnDrift.FAIL:
        yield Refusal(
            "drift",
            f"{_flows(drifted)} edited on the server (--on-drift fail)",
            "merge the server's change into Git (kestra-sync pull), or pass --on-drift revert",
            ExitCode.CONFLICT,
            _ids(drifted),
        )


def _first_contact(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    """A flow created on the server has the name of one in Git: which one should be kept?"""
    owners = given.owners or {}
    found = tuple(
        each
        for each in plan.because(Reason.TAKE_OVER)
        if each.writes and each.flow_id not in owners
    )
    if found and not given.first_contact:
        those = "this flow is" if len(found) == 1 else f"{len(found)} flows are"
        yield Refusal(
            "first-contact",
            f"{those} already on the server with different content, and not in the inventory: "
            f"{_named(found)}",
            "review the diff: write the server's content to Git (commit, then kestra-sync pull "
            "--overwrite), or pass --take-over to overwrite it (on_first_contact: overwrite in"
            " kestra-sync.yaml)",
            flows=_ids(found),
        )


def _empty(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    if plan.flows == 0 and deleted(plan) and not given.allow_large:
        yield Refusal(
            "empty-repository",
            f"no flows found in {plan.source}, so {_deletions(plan, given)} flows would be deleted",
            "check the paths and the checkout; to delete all flows, pass --allow-large",
        )


def _incomplete(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    doomed = deleted(plan)
    held = {
        each.flow_id: place
        for each in doomed
        if (place := given.not_here(each.flow_id, each.path)) is not None
    }
    if not held:
        return
    flows = [each for each in doomed if each.flow_id in held]
    places = list(dict.fromkeys(held.values()))
    missing = "; ".join(
        _paths([each for each in places if each.cause is cause])
        for cause in dict.fromkeys(each.cause for each in places)
    )
    yield Refusal(
        "incomplete-checkout",
        f"{len(flows)} of {len(doomed)} deletions are of flows that may still be in Git "
        f"({_named(flows)}), because the checkout is incomplete: {missing}",
        "; ".join(dict.fromkeys(each.remedy for each in places)),
    )


def _paths(places: Sequence[MissingPath]) -> str:
    """``flows/shared: a submodule that is not checked out``."""
    shown = ", ".join(map(str, places[:5]))
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return f"{shown}{more}: {places[0].cause.words}"


def _skipped(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    if given.allow_skipped_delete:
        return
    silent = [each for each in deleted(plan) if each.path and given.silent_paths(each.path)]
    if silent:
        yield Refusal(
            "skipped-file",
            f"{len(silent)} of {len(deleted(plan))} deletions are of flows whose file still "
            f"exists but no longer contains them: {_named(silent)}",
            "fix or delete the file; to delete the flow anyway, pass --allow-skipped-delete",
        )


def _too_many_deletions(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    number = len(deleted(plan))
    total = given.live if given.prune_scope else given.owned
    if given.allow_large or not number:
        return
    exceeded = given.delete_limit.exceeded(number, total)
    # Below ten flows the default is: more than half of them, and at least two.
    most = not given.delete_limit.counts(total) and number >= 2 and number * 2 > total
    if exceeded or most:
        share = "all of them" if number >= total else "more than half of them"
        limit = f"the limit is {given.delete_limit}" if exceeded else share
        yield Refusal(
            "too-many-deletions",
            f"{_deletions(plan, given)} flows would be deleted ({limit})",
            "if this is intended, pass --allow-large, or raise limits.delete in kestra-sync.yaml",
        )


def _too_many_updates(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    updates = plan.count(Action.UPDATE)
    total = plan.unchanged + updates
    if given.allow_large or not given.update_limit.exceeded(updates, total):
        return
    yield Refusal(
        "too-many-updates",
        f"{updates} of {total} flows would be updated (the limit is {given.update_limit})",
        "if this is intended, pass --allow-large, or raise limits.update in kestra-sync.yaml",
    )


def _outside_scope(plan: Plan, _given: GuardInput) -> Iterator[Refusal]:
    outside = [each for each in plan.changes if not plan.scope.covers(each.flow_id.namespace)]
    outside = [each for each in outside if each.desired is not None]
    if outside:
        yield Refusal(
            "outside-scope",
            f"{len(outside)} of {plan.flows} flows are outside the scope"
            f" ({', '.join(plan.scope.namespaces)}): {_named(outside)}",
            "move the flows, or add their namespaces to `scope` in kestra-sync.yaml",
        )


def _other_owner(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    owners = given.owners or {}
    touched = {*plan.writes, *deleted(plan), *plan.because(Reason.ADOPT)}
    taken = sorted(
        (each for each in touched if each.flow_id in owners), key=lambda each: each.flow_id
    )
    if taken:
        names = ", ".join(sorted({owners[each.flow_id] for each in taken}))
        renamed = next((each for each in given.similar if each in names.split(", ")), None)
        remedy = "remove them from one of the two repositories, or pass --take-over"
        if renamed is not None and renamed != given.name:
            remedy = (
                f"if {renamed!r} was renamed, run 'kestra-sync inventory rename {renamed}"
                f" {given.name}'; otherwise {remedy}"
            )
        yield Refusal(
            "other-owner",
            f"{len(taken)} of {len(touched)} flows are owned by another inventory"
            f" ({names}): {_named(taken)}",
            remedy,
        )


def _protected(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    touched = [
        each
        for each in (*plan.writes, *deleted(plan))
        if any(
            each.flow_id.namespace == name or each.flow_id.namespace.startswith(f"{name}.")
            for name in given.protected
        )
    ]
    if touched:
        yield Refusal(
            "protected-namespace",
            f"{len(touched)} of {len(plan.writes)} changes are in a protected namespace:"
            f" {_named(touched)}",
            "list the namespace explicitly in `scope`, or remove it from `protect`",
        )


def _still_called(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    callers = given.callers or {}
    called = [each for each in deleted(plan) if callers.get(each.flow_id)]
    for each in called:
        names = ", ".join(map(str, callers[each.flow_id][:5]))
        yield Refusal(
            "still-called",
            f"{each.flow_id} would be deleted, but is still called by {names}",
            "remove the call first, or keep the flow",
        )


_GUARDS = (
    _conflicts,
    _first_contact,
    _empty,
    _incomplete,
    _skipped,
    _too_many_deletions,
    _too_many_updates,
    _outside_scope,
    _other_owner,
    _protected,
    _still_called,
)


def with_refused(changes: tuple[Change, ...], refusals: Collection[Refusal]) -> tuple[Change, ...]:
    """The same changes, those marked that a guard refuses one by one."""
    refused = {flow_id for each in refusals for flow_id in each.flows}
    if not refused:
        return changes
    return tuple(
        replace(each, refused=True) if each.flow_id in refused else each for each in changes
    )


def with_invalid(
    changes: tuple[Change, ...], diagnostics: Iterable[Diagnostic]
) -> tuple[Change, ...]:
    """The same changes, those marked in whose files ``diagnostics`` has an error."""
    errors = [each for each in diagnostics if each.severity is Severity.ERROR]
    flows = {each.flow for each in errors if each.flow is not None}
    paths = {each.path for each in errors if each.flow is None and each.path}
    if not (flows or paths):
        return changes
    return tuple(
        replace(each, invalid=True)
        if each.desired is not None and (each.flow_id in flows or each.path in paths)
        else each
        for each in changes
    )


def _ids(changes: Collection[Change]) -> tuple[FlowId, ...]:
    return tuple(each.flow_id for each in changes)


def _deletions(plan: Plan, given: GuardInput) -> str:
    """``3 of 10 owned``."""
    total, of = (given.live, "live") if given.prune_scope else (given.owned, "owned")
    return f"{len(deleted(plan))} of {total} {of}"


def _flows(changes: tuple[Change, ...]) -> str:
    many = f"{len(changes)} flows were" if len(changes) > 1 else "1 flow was"
    return f"{many} ({_named(changes)})"


def _named(changes: Collection[Change]) -> str:
    names = [str(each.flow_id) for each in list(changes)[:5]]
    more = len(changes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
