"""Builds the record of a run: the intent before the first write, the result after the last.

A run that is killed in between leaves the intent behind. The intended writes that are found on the
server then count as owned, so that the next run can continue. Nothing is stored here; see
:mod:`.keeper`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus
from kestra_sync.client.kv import KvKey
from kestra_sync.inventory.read import InventoryLocation, server_of
from kestra_sync.inventory.record import (
    HistoryEntry,
    Intent,
    Inventory,
    Origin,
    PreviewRecord,
    Resource,
    now,
    written,
)
from kestra_sync.model import (
    Action,
    Change,
    FlowId,
    Kind,
    Plan,
    Reason,
    RecordChange,
    counted,
    sha256,
)
from kestra_sync.previews import Preview
from kestra_sync.reasons import Recording

#: Number of runs that the history keeps.
_HISTORY = 50
#: Number of writes, over all runs, that the history keeps for rollbacks: a quarter megabyte.
_REPLACED = 1_000


class RunRecord:
    """The inventory before, during and after one run.

    :param place: where the record belongs.
    :param inventory: the record as it was read; ``None`` if there was none.
    :param at: where it is now, if elsewhere; the first write moves it to ``place``.
    :param clock: returns the current time in the format of records.
    :param preview: the preview that the record belongs to, if any: every run updates it.
    """

    def __init__(
        self,
        place: InventoryLocation,
        inventory: Inventory | None,
        plan: Plan,
        origin: Origin,
        clock: Callable[[], str] = now,
        *,
        at: InventoryLocation | None = None,
        preview: Preview | None = None,
    ) -> None:
        self.before = inventory
        self.at, self.place = at or place, place
        self._plan = plan
        self._origin = origin
        self.clock = clock
        self._unfinished = _unfinished(inventory, plan) if inventory is not None else {}
        self._had_intent = inventory is not None and inventory.intent is not None
        self._unknown = (
            inventory.intent.unknown if inventory is not None and inventory.intent else ()
        )
        current = inventory or Inventory(
            name=place.name, target=plan.target, repository="", scope=plan.scope
        )
        self._current = replace(
            current,
            target=plan.target,
            repository=origin.repository or current.repository,
            scope=plan.scope,
            commit=origin.commit,
            branch=origin.branch,
        )
        self._preview = preview

    @property
    def inventory(self) -> Inventory:
        """The record as last stored, or as it would be stored."""
        return self._current

    def stored(self, inventory: Inventory) -> None:
        """Set the record that was stored."""
        self._current = inventory

    @property
    def stale(self) -> bool:
        """Whether there is something to record even if nothing is written."""
        closed = self._had_intent and not self._unfinished and not self._unknown
        return (
            closed
            or self.at != self.place
            or self._current.moved_from is not None
            or _rebound(self.before, self._current)
            or entries_without_writes(self._current, self._plan) != self._current.resources
        )

    def pending(self) -> tuple[RecordChange, ...]:
        """Return what an apply of the plan would record in addition to its writes."""
        before = self._current.resources
        quiet = tuple(each for each in self._plan.changes if not each.writes)
        after = entries_without_writes(self._current, replace(self._plan, changes=quiet))
        moved_from = self._current.moved_from
        found = []
        if self.at != self.place:
            found.append(
                RecordChange(
                    "move",
                    f"the inventory moves from {self.at.namespace} to {self.place.namespace}",
                )
            )
        elif moved_from is not None:
            found.append(
                RecordChange("move", f"delete the old copy of the inventory in {moved_from}")
            )
        if self.before is not None and _rebound(self.before, self._current):
            found.append(RecordChange("bind", _bound(self.before, self._current)))
        for kind, keys, words in (
            ("adopt", [key for key in after if key not in before], "to adopt"),
            (
                "refresh",
                [key for key, each in after.items() if key in before and before[key] != each],
                "to update in the inventory",
            ),
            ("drop", [key for key in before if key not in after], "to remove from the inventory"),
        ):
            number = len(keys)
            if number:
                found.append(RecordChange(kind, f"{number:,} {words}", number, counted(keys)))
        if not found and not self._plan.writes and self.stale:
            found.append(RecordChange("close", "1 unfinished run to close"))
        return tuple(found)

    def neighbours(self, keys: Iterable[KvKey]) -> None:
        """Remember which other inventories exist: the next run expects to find them."""
        found = tuple(sorted((each.namespace, each.key) for each in keys))
        self._current = replace(self._current, neighbours=found)

    def intent(self) -> Inventory:
        """Return the record to store before the first write, with the planned writes."""
        intended: dict[FlowId, Resource | None] = {**self._unfinished}
        for change in self._plan.writes:
            intended[change.flow_id] = resource_of(change, None)
            if change.moved_from is not None:
                intended[change.moved_from.flow_id] = None
        intent = Intent(self.clock(), self._current.commit, intended, self._unknown)
        # What needs no write is recorded now: if this run is killed as well, the next one still
        # knows what earlier runs have written.
        resources = entries_without_writes(self._current, self._plan)
        current = replace(self._current, resources=resources, intent=intent)
        if self._preview is not None:
            current = replace(current, preview=self._previewed(self._preview))
        return current

    def _previewed(self, preview: Preview) -> PreviewRecord:
        """Return the preview's entry for this run: each run extends its expiry."""
        at = self.clock()
        before = self._current.preview or PreviewRecord(created=at)
        deletions = (each.moved_from or each for each in self._plan.writes if _deletes(each))
        past = {each.flow_id for each in deletions if each.flow_id.kind.traits.remains}
        return replace(before, expires=expiry(at, preview.ttl), past=before.past | past)

    def result(
        self,
        outcomes: Iterable[Outcome],
        result: str,
        restored: Iterable[Restored] = (),
        *,
        tests_failed: bool = False,
    ) -> Inventory | None:
        """Return the record to store after the last write; ``None`` if nothing changed.

        :param restored: the rolled-back writes, whose flows get their previous entries back.
        :param result: the result for the history: :attr:`HistoryEntry.result`.
        :param tests_failed: the smoke tests failed.
        """
        outcomes = tuple(outcomes)
        back = [each for each in restored if each.status is RollbackStatus.RESTORED]
        preview = self._current.preview if self._preview is not None else None
        if not outcomes and preview is None:
            if not self.stale:
                return None
            result = "adopted"
        history = (*self._current.history, self._history_entry(outcomes, back, result))
        if preview is not None:
            preview = replace(preview, result="smoke-failed" if tests_failed else result)
        return replace(
            self._current,
            resources=self._resources(outcomes, back),
            intent=self._left(outcomes, back),
            history=_limited(history[-_HISTORY:]),
            preview=preview or self._current.preview,
        )

    def _resources(
        self, outcomes: Iterable[Outcome], back: Iterable[Restored]
    ) -> dict[FlowId, Resource]:
        """Return the entries after the run; ``back`` was rolled back."""
        resources = entries_without_writes(self._current, self._plan)
        for outcome in outcomes:
            if outcome.written or outcome.status is ChangeStatus.APPLIED:
                apply_outcome(resources, outcome)
        for undone in back:
            self._restore(resources, undone)
        return resources

    def _left(self, outcomes: Iterable[Outcome], back: Iterable[Restored]) -> Intent | None:
        """Return the intended writes whose result is unknown; ``None`` if there are none."""
        restored = {each.change for each in back}
        unsure: dict[FlowId, Resource | None] = {
            outcome.change.flow_id: resource_of(outcome.change, None)
            for outcome in outcomes
            if outcome.unsure and outcome.change not in restored
        }
        unfinished = {**self._unfinished, **unsure}
        if not (unfinished or self._unknown):
            return None
        return Intent(self.clock(), self._current.commit, unfinished, self._unknown)

    def _history_entry(
        self, outcomes: Sequence[Outcome], back: Sequence[Restored], result: str
    ) -> HistoryEntry:
        counts = Counter(
            f"{each.change.action}" if each.written else str(each.status) for each in outcomes
        )
        adopted = self._plan.because(Reason.ADOPT)
        # Unary plus drops the counts of zero.
        counts = +Counter({**counts, "rolled-back": len(back), "adopt": len(adopted)})
        changes = [*(each.change for each in outcomes), *adopted]
        kinds = Counter(str(each.flow_id.kind) for each in changes)
        history = self._current.history
        return HistoryEntry(
            generation=history[-1].generation + 1 if history else 1,
            time=self.clock(),
            commit=self._current.commit,
            branch=self._current.branch,
            result=result,
            counts=dict(counts),
            dirty=self._origin.dirty,
            by=self._origin.by,
            replaced=self._replaced(outcomes, {each.change for each in back}),
            rollback_to=self._plan.rollback_to,
            kinds={} if kinds.keys() <= {Kind.FLOW} else dict(kinds),
        )

    def _replaced(
        self, outcomes: Iterable[Outcome], restored: Collection[Change]
    ) -> dict[FlowId, Resource | None]:
        """Return the previous entries of the flows that this run wrote and did not roll back."""
        found: dict[FlowId, Resource | None] = {}
        for outcome in outcomes:
            change = outcome.change
            if not (outcome.written or outcome.unsure) or change in restored:
                continue
            for each in (change, *([change.moved_from] if change.moved_from else [])):
                found[each.flow_id] = self._current.resources.get(each.flow_id) or _found_there(
                    each
                )
        return found

    def _restore(self, resources: dict[FlowId, Resource], undone: Restored) -> None:
        flow_id = undone.change.flow_id
        old = self._current.resources.get(flow_id)
        if old is None:
            resources.pop(flow_id, None)
        elif undone.change.before is not None and old.sent_sha256 == sha256(undone.change.before):
            resources[flow_id] = replace(old, revision=undone.revision)
        else:  # it was edited before this run, and restored to that edit
            resources[flow_id] = old


def _deletes(change: Change) -> bool:
    return change.after is None or change.moved_from is not None


def expiry(at: str, ttl: int | None) -> str | None:
    """Return when a preview that was deployed at ``at`` expires; ``None`` for never.

    :param ttl: in seconds.
    """
    if ttl is None:
        return None
    return written(datetime.fromisoformat(at.replace("Z", "+00:00")) + timedelta(seconds=ttl))


def _found_there(change: Change) -> Resource | None:
    """Return an entry for a flow that was on the server but not in the record."""
    if change.before is None:
        return None
    there = sha256(change.before)
    return Resource(change.flow_id, change.path or "", there, there, change.revision)


def _limited(history: tuple[HistoryEntry, ...]) -> tuple[HistoryEntry, ...]:
    """Drop the replaced resources of the oldest runs if there are too many."""
    left, found = _REPLACED, []
    for run in reversed(history):
        left -= len(run.replaced or ())
        found.append(run if left >= 0 else replace(run, replaced=None))
    return tuple(reversed(found))


def _rebound(before: Inventory | None, after: Inventory) -> bool:
    """Whether the record changes hands: another repository, tenant or server."""
    if before is None:
        return False
    return (
        (bool(before.repository) and before.repository != after.repository)
        or before.target.tenant != after.target.tenant
        or server_of(before.target.url) != server_of(after.target.url)
    )


def _bound(before: Inventory, after: Inventory) -> str:
    if before.repository and before.repository != after.repository:
        return f"the inventory is taken over from {before.repository}"
    return f"the inventory is taken over from {before.target.url} (tenant {before.target.tenant})"


def entries_without_writes(inventory: Inventory, plan: Plan) -> dict[FlowId, Resource]:
    """Return the entries after the changes that need no write: adoptions, refreshes, drops.

    Writes of an unfinished run that are found on the server are recorded, too.
    """
    found = dict(inventory.resources)
    intended = inventory.intent.writes if inventory.intent is not None else {}
    for change in plan.changes:
        if change.writes:
            done = intended.get(change.flow_id)
            there = None if change.before is None else sha256(change.before)
            if done is not None and done.sent_sha256 == there:
                found[change.flow_id] = done
            continue
        if change.reason.traits.recording is Recording.DROP:
            found.pop(change.flow_id, None)
        elif change.reason.traits.recording is Recording.RENEW:
            fresh = resource_of(change, change.revision)
            old = found.get(change.flow_id)
            if fresh is None or (old is not None and replace(fresh, revision=old.revision) == old):
                continue  # only the revision differs, and the recorded one is more reliable
            found[change.flow_id] = fresh
    return found


def _unfinished(inventory: Inventory, plan: Plan) -> dict[FlowId, Resource | None]:
    """Return the intended writes of a killed run that this plan does not cover."""
    seen = {change.flow_id for change in plan.changes}
    intended = inventory.intent.writes if inventory.intent is not None else {}
    return {
        flow_id: resource
        for flow_id, resource in intended.items()
        if resource is not None
        and flow_id not in seen
        and not _recorded(inventory.resources.get(flow_id), resource)
    }


def _recorded(recorded: Resource | None, intended: Resource) -> bool:
    return recorded is not None and recorded.sent_sha256 == intended.sent_sha256


def apply_outcome(resources: dict[FlowId, Resource], outcome: Outcome) -> None:
    """Update ``resources`` with one successful write."""
    change = outcome.change
    if change.action is Action.DELETE:
        resources.pop(change.flow_id, None)
        return
    fresh = resource_of(change, outcome.revision)
    if fresh is not None:
        resources[change.flow_id] = fresh


def resource_of(change: Change, revision: int | None) -> Resource | None:
    """Return the entry of a flow after the change; ``None`` if the change deletes it."""
    if change.desired is None or change.after is None:
        return None
    return Resource(
        flow_id=change.flow_id,
        path=change.desired.path,
        file_sha256=change.desired.git_sha256,
        sent_sha256=sha256(change.after),
        revision=revision,
        kept_off=change.reason is Reason.KEPT_OFF,
        masked=change.desired.masked,
    )
