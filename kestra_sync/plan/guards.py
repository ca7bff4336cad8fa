"""Rules that refuse a plan. Each names n of m and the remedy; the plan is shown first.

Taken from octoDNS, which refuses updates and deletions beyond a share of what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kestra_sync.errors import ExitCode
from kestra_sync.model import Action, Change, FlowId, Kind, Plan, Reason, noun_of
from kestra_sync.reasons import Recording
from kestra_sync.settings import OnDrift, OnFirstContact, Prune, Settings

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
    :param settings: for the options that a guard obeys.
    :param owned_beside: how many resources of other kinds are ours, for each kind; likewise
        ``live_beside``.
    :param without_flow: returns whether a recorded path still exists but no longer contains the
        flow.
    :param not_here: returns where Git may still have a flow that is missing in the working tree, by
        the flow and the path it came from.
    :param owners: flows of other inventories, and their names.
    :param protected: namespaces that nothing is done to, dot-aware.
    :param callers: for each flow that would be deleted, the remaining flows that call it.
    :param similar: other inventories of this repository that may be ours under an old name.
    :param name: the name of our inventory.
    :param ours: what our inventory has; ``begins`` says that there is none yet.
    """

    owned: int
    live: int
    settings: Settings = field(default_factory=Settings)
    owned_beside: Mapping[Kind, int] = field(default_factory=dict)
    live_beside: Mapping[Kind, int] = field(default_factory=dict)
    without_flow: Callable[[str], bool] = lambda _path: False
    not_here: Callable[[FlowId, str | None], MissingPath | None] = lambda _flow, _path: None
    owners: Mapping[FlowId, str] | None = None
    protected: Collection[str] = ()
    callers: Mapping[FlowId, tuple[FlowId, ...]] | None = None
    similar: tuple[str, ...] = ()
    name: str = ""
    ours: Collection[FlowId] = ()
    begins: bool = False

    @property
    def whole_scope(self) -> bool:
        """Whether everything is deleted that the scope holds beside Git."""
        return self.settings.prune is Prune.SCOPE


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
    if found and given.settings.on_drift is not OnDrift.OVERWRITE:
        yield Refusal(
            "conflict",
            f"{_flows(found)} changed both in Git and on the server",
            "merge the server's change into Git (commit, run 'kestra-sync pull --overwrite' and"
            " compare with 'git diff'), or pass --on-drift overwrite",
            ExitCode.CONFLICT,
            _ids(found),
        )
    drifted = plan.because(Reason.DRIFT)
    if drifted and given.settings.on_drift is OnDrift.FAIL:
        yield Refusal(
            "drift",
            f"{_flows(drifted)} edited on the server (--on-drift fail)",
            "merge the server's change into Git (kestra-sync pull), or pass --on-drift revert",
            ExitCode.CONFLICT,
            _ids(drifted),
        )


def _preview(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    """A preview only ever touches what it has made itself."""
    if given.settings.preview is None:
        return
    owners = given.owners or {}
    found = []
    for each in plan.changes:
        theirs = each.flow_id not in given.ours or each.reason is Reason.TAKE_OVER
        theirs = theirs or each.flow_id in owners
        touched = each.writes or each.reason.traits.recording is Recording.RENEW
        begins = given.begins and each.reason is Reason.FOREIGN
        if each.before is not None and ((theirs and touched) or begins):
            found.append(each)
    if found:
        names = sorted({owners[each.flow_id] for each in found if each.flow_id in owners})
        whose = f" (of the inventory {', '.join(names)})" if names else ""
        noun = noun_of(_ids(found))
        there = f"1 {noun} that is" if len(found) == 1 else f"{len(found)} {noun}s that are"
        yield Refusal(
            "preview-not-ours",
            f"{there} not of this preview would be in its way{whose}: {_named(found)}",
            "a preview never takes over what it has not made: use another name, correct"
            " `preview.namespaces` in kestra-sync.yaml, or remove what is there",
            flows=tuple(each.flow_id for each in found if each.writes),
        )


def _first_contact(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    """A flow created on the server has the name of one in Git: which one should be kept?"""
    owners = given.owners or {}
    found = tuple(
        each
        for each in plan.because(Reason.TAKE_OVER)
        if each.writes and each.flow_id not in owners
    )
    if found and not _may_overwrite(given.settings) and given.settings.preview is None:
        noun = noun_of(_ids(found))
        those = f"this {noun} is" if len(found) == 1 else f"{len(found)} {noun}s are"
        yield Refusal(
            "first-contact",
            f"{those} already on the server with different content, and not in the inventory: "
            f"{_named(found)}",
            "review the diff: write the server's content to Git (commit, then kestra-sync pull "
            "--overwrite), or pass --take-over to overwrite it (on_first_contact: overwrite in"
            " kestra-sync.yaml)",
            flows=_ids(found),
        )


def _may_overwrite(settings: Settings) -> bool:
    return settings.take_over or settings.on_first_contact is OnFirstContact.OVERWRITE


def _empty(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    doomed = _of_kind(deleted(plan), Kind.FLOW)
    if plan.flows == 0 and doomed and not given.settings.allow_large:
        yield Refusal(
            "empty-repository",
            f"no flows found in {plan.source}, so {_deletions(doomed, Kind.FLOW, given)} flows"
            " would be deleted",
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
        f"{len(flows)} of {len(doomed)} deletions are of {noun_of(_ids(flows))}s that may still be"
        " in Git "
        f"({_named(flows)}), because the checkout is incomplete: {missing}",
        "; ".join(dict.fromkeys(each.remedy for each in places)),
    )


def _paths(places: Sequence[MissingPath]) -> str:
    """``flows/shared: a submodule that is not checked out``."""
    shown = ", ".join(map(str, places[:5]))
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return f"{shown}{more}: {places[0].cause.words}"


def _skipped(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    if given.settings.allow_skipped_delete:
        return
    silent = [
        each
        for each in _of_kind(deleted(plan), Kind.FLOW)
        if each.path and given.without_flow(each.path)
    ]
    if silent:
        yield Refusal(
            "skipped-file",
            f"{len(silent)} of {len(deleted(plan))} deletions are of flows whose file still "
            f"exists but no longer contains them: {_named(silent)}",
            "fix or delete the file; to delete the flow anyway, pass --allow-skipped-delete",
        )


def _too_many_deletions(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    if given.settings.allow_large:
        return
    for kind in Kind:
        doomed = _of_kind(deleted(plan), kind)
        if doomed:
            yield from _too_many_of(doomed, kind, given)


def _too_many_of(doomed: Sequence[Change], kind: Kind, given: GuardInput) -> Iterator[Refusal]:
    number, total = len(doomed), _total(kind, given)
    exceeded = given.settings.delete_limit.exceeded(number, total)
    # Below ten flows the default is: more than half of them, and at least two.
    most = not given.settings.delete_limit.counts(total) and number >= 2 and number * 2 > total
    if exceeded or most:
        share = "all of them" if number >= total else "more than half of them"
        limit = f"the limit is {given.settings.delete_limit}" if exceeded else share
        yield Refusal(
            "too-many-deletions",
            f"{_deletions(doomed, kind, given)} {kind.noun}s would be deleted ({limit})",
            "if this is intended, pass --allow-large, or raise limits.delete in kestra-sync.yaml",
        )


def _too_many_updates(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
    there = {kind: _in_git_and_there(plan, kind) for kind in plan.beside}
    there[Kind.FLOW] = plan.unchanged + plan.count(Action.UPDATE) - sum(there.values())
    for kind in Kind:
        updates = sum(each.action is Action.UPDATE for each in _of_kind(plan.changes, kind))
        total = there.get(kind, 0)
        if given.settings.allow_large or not given.settings.update_limit.exceeded(updates, total):
            continue
        yield Refusal(
            "too-many-updates",
            f"{updates} of {total} {kind.noun}s would be updated (the limit is"
            f" {given.settings.update_limit})",
            "if this is intended, pass --allow-large, or raise limits.update in kestra-sync.yaml",
        )


def _in_git_and_there(plan: Plan, kind: Kind) -> int:
    """How many resources of ``kind`` are in Git and on the server."""
    new = (Action.CREATE, Action.MOVE)
    return plan.beside[kind] - sum(each.action in new for each in _of_kind(plan.changes, kind))


def _outside_scope(plan: Plan, _given: GuardInput) -> Iterator[Refusal]:
    outside = [each for each in plan.changes if not plan.scope.covers(each.flow_id.namespace)]
    outside = [each for each in outside if each.desired is not None]
    if outside:
        noun = "resource" if plan.beside else "flow"
        yield Refusal(
            "outside-scope",
            f"{len(outside)} of {plan.resources} {noun}s are outside the scope"
            f" ({', '.join(plan.scope.namespaces)}): {_named(outside)}",
            f"move the {noun}s, or add their namespaces to `scope` in kestra-sync.yaml",
        )


def _other_owner(plan: Plan, given: GuardInput) -> Iterator[Refusal]:
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
        yield Refusal(
            "other-owner",
            f"{len(taken)} of {len(touched)} {noun_of(_ids(touched))}s are owned by another"
            f" inventory ({names}): {_named(taken)}",
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
    _preview,
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


def _ids(changes: Collection[Change]) -> tuple[FlowId, ...]:
    return tuple(each.flow_id for each in changes)


def _of_kind(changes: Iterable[Change], kind: Kind) -> tuple[Change, ...]:
    return tuple(each for each in changes if each.flow_id.kind is kind)


def _total(kind: Kind, given: GuardInput) -> int:
    """How many there are to be deleted at most."""
    if kind is Kind.FLOW:
        return given.live if given.settings.prune is Prune.SCOPE else given.owned
    return (given.live_beside if given.settings.prune is Prune.SCOPE else given.owned_beside).get(
        kind, 0
    )


def _deletions(doomed: Sequence[Change], kind: Kind, given: GuardInput) -> str:
    """``3 of 10 owned``."""
    of = "live" if given.whole_scope else "owned"
    return f"{len(doomed)} of {_total(kind, given)} {of}"


def _flows(changes: tuple[Change, ...]) -> str:
    noun = noun_of(_ids(changes))
    many = f"{len(changes)} {noun}s were" if len(changes) > 1 else f"1 {noun} was"
    return f"{many} ({_named(changes)})"


def _named(changes: Collection[Change]) -> str:
    names = [str(each.flow_id) for each in list(changes)[:5]]
    more = len(changes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
