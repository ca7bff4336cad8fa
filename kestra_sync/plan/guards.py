"""Rules that refuse a plan. Each reports n of m and a remedy; the plan is shown first.

To add one, write a function and declare it with :func:`guard`. Its options are fields of the
settings. The idea is from octoDNS, which refuses to update or delete more than a share of the
existing records.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kestra_sync.errors import ExitCode
from kestra_sync.model import Action, Change, FlowId, Kind, Plan, Reason, Scope, noun_of, plural
from kestra_sync.plan.refusals import Guard, GuardInput, Objection, Refusal
from kestra_sync.reasons import Recording
from kestra_sync.settings import OnDrift, OnFirstContact, Prune, Settings

if TYPE_CHECKING:
    from kestra_sync.repo.incomplete import MissingPath

#: All guards, in the order of their declarations, in which refusals are shown.
GUARDS: list[Guard] = []

_Check = Callable[[Plan, GuardInput], Iterator[Objection]]


def guard(rule: str, exit_code: ExitCode = ExitCode.REFUSED) -> Callable[[_Check], _Check]:
    """Declare the decorated function as the check of a guard; see :class:`Guard`."""

    def declare(check: _Check) -> _Check:
        GUARDS.append(Guard(rule, check, exit_code))
        return check

    return declare


def check_guards(plan: Plan, given: GuardInput) -> tuple[Refusal, ...]:
    """Return all refusals of ``plan``; empty if it may be applied."""
    return tuple(
        Refusal(each.rule, objection.message, objection.remedy, each.exit_code, objection.flows)
        for each in GUARDS
        for objection in each.check(plan, given)
    )


def deleted(plan: Plan) -> tuple[Change, ...]:
    """Return the deletions, including the old locations of moves."""
    deletions = [each for each in plan.changes if each.action is Action.DELETE]
    deletions += [each.moved_from for each in plan.changes if each.moved_from is not None]
    return tuple(deletions)


@guard("conflict", ExitCode.CONFLICT)
def _conflicts(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    found = plan.because(Reason.CONFLICT)
    if found and given.settings.on_drift is not OnDrift.OVERWRITE:
        yield Objection(
            f"{_counted(found)} changed both in Git and on the server: {_named(found)}",
            "merge the server's change into Git (commit, run 'kestra-sync pull --overwrite' and"
            " compare with 'git diff'), or pass --on-drift overwrite",
            _ids(found),
        )


@guard("drift", ExitCode.CONFLICT)
def _drift(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    drifted = plan.because(Reason.DRIFT)
    if drifted and given.settings.on_drift is OnDrift.FAIL:
        yield Objection(
            f"{_counted(drifted)} edited on the server, and --on-drift is fail: {_named(drifted)}",
            "merge the server's change into Git (kestra-sync pull), or pass --on-drift revert",
            _ids(drifted),
        )


@guard("preview-not-ours")
def _preview(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    """Refuse changes of a preview to resources that it did not create."""
    if given.settings.preview is None:
        return
    owners = given.owners or {}
    found = []
    for each in plan.changes:
        foreign = each.flow_id not in given.ours or each.reason is Reason.TAKE_OVER
        foreign = foreign or each.flow_id in owners
        touched = each.writes or each.reason.traits.recording is Recording.RENEW
        preexisting = given.first_apply and each.reason is Reason.FOREIGN
        if each.before is not None and ((foreign and touched) or preexisting):
            found.append(each)
    if found:
        names = sorted({owners[each.flow_id] for each in found if each.flow_id in owners})
        whose = f" (of the inventory {', '.join(names)})" if names else ""
        noun = noun_of(_ids(found))
        there = f"1 {noun} that is" if len(found) == 1 else f"{len(found)} {noun}s that are"
        yield Objection(
            f"{there} not part of this preview would have to be changed{whose}: {_named(found)}",
            "a preview never takes over resources that it did not create: use another name, correct"
            " `preview.namespaces` in kestra-sync.yaml, or remove what is there",
            flows=tuple(each.flow_id for each in found if each.writes),
        )


@guard("first-contact")
def _first_contact(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    """Refuse to overwrite a flow that was created on the server and has the name of one in Git."""
    owners = given.owners or {}
    found = tuple(
        each
        for each in plan.because(Reason.TAKE_OVER)
        if each.writes and each.flow_id not in owners
    )
    if found and not _may_overwrite(given.settings) and given.settings.preview is None:
        noun = noun_of(_ids(found))
        those = f"this {noun} is" if len(found) == 1 else f"{len(found)} {noun}s are"
        yield Objection(
            f"{those} already on the server with different content, and not in the inventory: "
            f"{_named(found)}",
            "review the diff: write the server's content to Git (commit, then kestra-sync pull "
            "--overwrite), or pass --take-over to overwrite it (on_first_contact: overwrite in"
            " kestra-sync.yaml)",
            flows=_ids(found),
        )


def _may_overwrite(settings: Settings) -> bool:
    return settings.take_over or settings.on_first_contact is OnFirstContact.OVERWRITE


@guard("empty-repository")
def _empty(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    deletions = _of_kind(deleted(plan), Kind.FLOW)
    if plan.flows == 0 and deletions and not given.settings.allow_large:
        yield Objection(
            f"no flows found in {plan.source}, so {_deletions(deletions, Kind.FLOW, given)} flows"
            " would be deleted",
            "check the paths and the checkout; to delete all flows, pass --allow-large",
        )


@guard("incomplete-checkout")
def _incomplete(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    deletions = deleted(plan)
    held = {
        each.flow_id: place
        for each in deletions
        if (place := given.missing_path(each.flow_id, each.path)) is not None
    }
    if not held:
        return
    flows = [each for each in deletions if each.flow_id in held]
    places = list(dict.fromkeys(held.values()))
    missing = "; ".join(
        _paths([each for each in places if each.cause is cause])
        for cause in dict.fromkeys(each.cause for each in places)
    )
    yield Objection(
        f"{len(flows)} of {len(deletions)} deletions are of {noun_of(_ids(flows))}s that may still"
        f" be in Git ({_named(flows)}), because the checkout is incomplete: {missing}",
        "; ".join(dict.fromkeys(each.remedy for each in places)),
    )


def _paths(places: Sequence[MissingPath]) -> str:
    """Format missing paths: ``flows/shared: a submodule that is not checked out``."""
    shown = ", ".join(map(str, places[:5]))
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return f"{shown}{more}: {places[0].cause.words}"


@guard("skipped-file")
def _skipped(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    if given.settings.allow_skipped_delete:
        return
    silent = [
        each
        for each in _of_kind(deleted(plan), Kind.FLOW)
        if each.path and given.without_flow(each.path)
    ]
    if silent:
        yield Objection(
            f"{len(silent)} of {len(deleted(plan))} deletions are of flows whose file still "
            f"exists but no longer contains them: {_named(silent)}",
            "fix or delete the file; to delete the flow anyway, pass --allow-skipped-delete",
        )


@guard("too-many-deletions")
def _too_many_deletions(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    if given.settings.allow_large:
        return
    for kind in Kind:
        deletions = _of_kind(deleted(plan), kind)
        if deletions:
            yield from _too_many_of(deletions, kind, given)


def _too_many_of(deletions: Sequence[Change], kind: Kind, given: GuardInput) -> Iterator[Objection]:
    number, total = len(deletions), _total(kind, given)
    exceeded = given.settings.delete_limit.exceeded(number, total)
    # For fewer than ten flows, the default limit is half of them, and at least one.
    majority = not given.settings.delete_limit.counts(total) and number >= 2 and number * 2 > total
    if exceeded or majority:
        share = "all of them" if number >= total else "more than half of them"
        limit = f"the limit is {given.settings.delete_limit}" if exceeded else share
        yield Objection(
            f"{_deletions(deletions, kind, given)} {kind.noun}s would be deleted ({limit})",
            "if this is intended, pass --allow-large, or raise limits.delete in kestra-sync.yaml",
        )


@guard("too-many-updates")
def _too_many_updates(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    there = {kind: _in_git_and_there(plan, kind) for kind in plan.other_counts}
    there[Kind.FLOW] = plan.unchanged + plan.count(Action.UPDATE) - sum(there.values())
    for kind in Kind:
        updates = sum(each.action is Action.UPDATE for each in _of_kind(plan.changes, kind))
        total = there.get(kind, 0)
        if given.settings.allow_large or not given.settings.update_limit.exceeded(updates, total):
            continue
        yield Objection(
            f"{updates} of {total} {kind.noun}s would be updated (the limit is"
            f" {given.settings.update_limit})",
            "if this is intended, pass --allow-large, or raise limits.update in kestra-sync.yaml",
        )


def _in_git_and_there(plan: Plan, kind: Kind) -> int:
    """Return how many resources of ``kind`` are both in Git and on the server."""
    new = (Action.CREATE, Action.MOVE)
    return plan.other_counts[kind] - sum(
        each.action in new for each in _of_kind(plan.changes, kind)
    )


@guard("outside-scope")
def _outside_scope(plan: Plan, _given: GuardInput) -> Iterator[Objection]:
    outside = [each for each in plan.changes if not plan.scope.covers(each.flow_id.namespace)]
    outside = [each for each in outside if each.desired is not None]
    if outside:
        noun = "resource" if plan.other_counts else "flow"
        yield Objection(
            f"{len(outside)} of {plan.resources} {noun}s are outside the scope"
            f" ({', '.join(plan.scope.namespaces)}): {_named(outside)}",
            f"move the {noun}s, or add their namespaces to `scope` in kestra-sync.yaml",
        )


@guard("other-owner")
def _other_owner(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    owners = given.owners or {}
    touched = {*plan.writes, *deleted(plan), *plan.because(Reason.ADOPT)}
    taken = sorted(
        (each for each in touched if each.flow_id in owners), key=lambda each: each.flow_id
    )
    if taken and given.settings.preview is None:
        names = ", ".join(sorted({owners[each.flow_id] for each in taken}))
        renamed = next((each for each in given.similar if each in names.split(", ")), None)
        remedy = "remove them from one of the two repositories, or pass --take-over"
        if renamed is not None and renamed != given.name:
            remedy = (
                f"if {renamed!r} was renamed, run 'kestra-sync inventory rename {renamed}"
                f" {given.name}'; otherwise {remedy}"
            )
        yield Objection(
            f"{len(taken)} of {len(touched)} {noun_of(_ids(touched))}s are owned by another"
            f" inventory ({names}): {_named(taken)}",
            remedy,
        )


@guard("protected-namespace")
def _protected(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    protected = Scope(tuple(given.protected))
    touched = [
        each for each in (*plan.writes, *deleted(plan)) if protected.covers(each.flow_id.namespace)
    ]
    if touched:
        yield Objection(
            f"{len(touched)} of {len(plan.writes)} changes are in a protected namespace:"
            f" {_named(touched)}",
            "list the namespace explicitly in `scope`, or remove it from `protect`",
        )


@guard("still-called")
def _still_called(plan: Plan, given: GuardInput) -> Iterator[Objection]:
    callers = given.callers or {}
    called = [each for each in deleted(plan) if callers.get(each.flow_id)]
    for each in called:
        names = ", ".join(map(str, callers[each.flow_id][:5]))
        yield Objection(
            f"{each.flow_id} would be deleted, but is still called by {names}",
            "remove the call first, or keep the flow",
        )


def _ids(changes: Collection[Change]) -> tuple[FlowId, ...]:
    return tuple(each.flow_id for each in changes)


def _of_kind(changes: Iterable[Change], kind: Kind) -> tuple[Change, ...]:
    return tuple(each for each in changes if each.flow_id.kind is kind)


def _total(kind: Kind, given: GuardInput) -> int:
    """Return the number of resources that could be deleted."""
    if kind is Kind.FLOW:
        return given.live if given.settings.prune is Prune.SCOPE else given.owned
    return (given.live_others if given.settings.prune is Prune.SCOPE else given.owned_others).get(
        kind, 0
    )


def _deletions(deletions: Sequence[Change], kind: Kind, given: GuardInput) -> str:
    """Format the number of deletions: ``3 of 10 owned``."""
    of = "live" if given.settings.prune is Prune.SCOPE else "owned"
    return f"{len(deletions)} of {_total(kind, given)} {of}"


def _counted(changes: Collection[Change]) -> str:
    return plural(len(changes), noun_of(_ids(changes)))


def _named(changes: Collection[Change]) -> str:
    names = [str(each.flow_id) for each in list(changes)[:5]]
    more = len(changes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
