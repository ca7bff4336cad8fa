"""The record after a run: all owned flows, and no flow that does not exist."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from kestra_sync.apply.keeper import Recorder, StaleRecordError
from kestra_sync.apply.record import RunRecord
from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus
from kestra_sync.client.errors import Forbidden, KestraError, UnknownOutcome
from kestra_sync.inventory.codec import from_json, to_json
from kestra_sync.inventory.read import RUN_PREFIX, InventoryLocation
from kestra_sync.inventory.record import Intent, Inventory, Origin, Resource
from kestra_sync.model import Action, Change, FlowId, Plan, Reason, Scope, Target, sha256
from tests.unit.apply.fakes import LOST, A, KvStore, change

B, C = FlowId("acme", "b"), FlowId("acme", "c")
OLD, NEW, THEIRS = b"old", b"new", b"theirs"
PLACE = InventoryLocation("acme", "flows")
TARGET = Target("http://kestra", "main")


def plan_of(*changes: Change, partial: bool = False) -> Plan:
    return Plan(TARGET, "1.3", "flows", Scope(("acme",)), 1, changes, 0, partial)


def resource(flow_id: FlowId = A, source: bytes = OLD, revision: int | None = 1) -> Resource:
    hashed = sha256(source)
    return Resource(flow_id, f"{flow_id.id}.yaml", hashed, hashed, revision)


def inventory(
    *resources: Resource, intended: dict[FlowId, Resource | None] | None = None
) -> Inventory:
    return Inventory(
        "flows",
        TARGET,
        "",
        Scope(("acme",)),
        generation=5,
        resources={each.flow_id: each for each in resources},
        intent=None if intended is None else Intent("then", None, intended),
    )


class Recorded:
    """A recorder and the store that it writes to."""

    def __init__(self, before: Inventory | None, plan: Plan) -> None:
        self.kv = KvStore()
        if before is not None:
            self.kv.values[PLACE.key] = to_json(before)
        origin = Origin("github.com/acme/flows", "c0ffee", "main", dirty=True, by="ada")
        record = RunRecord(PLACE, before, plan, origin, lambda: "now")
        self.recorder = Recorder(self.kv, record)

    @property
    def stored(self) -> Inventory:
        return from_json(self.kv.values[PLACE.key])

    def finish(self, *outcomes: Outcome, restored: tuple[Restored, ...] = ()) -> Inventory:
        self.recorder.finish(outcomes, "applied", restored)
        return self.stored


def applied(what: Change, revision: int | None = 2, **more: Any) -> Outcome:
    return Outcome(what, ChangeStatus.APPLIED, revision, written=True, **more)


def test_intent__is_stored_first_and_removed_last() -> None:
    what = change(OLD, NEW)
    run = Recorded(inventory(resource()), plan_of(what))
    run.recorder.store_intent()
    stored = run.stored
    assert (stored.generation, stored.commit, stored.repository) == (
        6,
        "c0ffee",
        "github.com/acme/flows",
    )
    assert stored.intent is not None
    assert stored.intent.writes == {A: resource(source=NEW, revision=None)}
    assert stored.resources == {A: resource()}
    assert stored.bases()[A].live_hashes == {sha256(OLD), sha256(NEW)}
    after = run.finish(applied(what))
    assert (after.generation, after.intent) == (7, None)
    assert after.resources == {A: resource(source=NEW, revision=2)}
    assert after.history[-1].result == "applied"
    assert after.history[-1].counts == {"update": 1}
    assert (after.history[-1].dirty, after.history[-1].by) == (True, "ada")


def test_intent__move_is_two_writes() -> None:
    old = change(OLD, None, flow_id=B)
    move = change(None, NEW, action=Action.MOVE, reason=Reason.MOVED, moved_from=old)
    run = Recorded(inventory(resource(B)), plan_of(move))
    run.recorder.store_intent()
    assert run.stored.intent is not None
    assert run.stored.intent.writes == {A: resource(source=NEW, revision=None), B: None}
    assert run.finish(applied(change(None, NEW), 1), applied(old)).resources.keys() == {A}


def test_record__unwritten_changes_are_not_recorded() -> None:
    one, two = change(None, NEW), change(OLD, NEW, flow_id=B)
    run = Recorded(inventory(resource(B)), plan_of(one, two))
    run.recorder.store_intent()
    after = run.finish(Outcome(one, ChangeStatus.FAILED), Outcome(two, ChangeStatus.NOT_ATTEMPTED))
    assert after.resources == {B: resource(B)}
    assert after.intent is None
    assert after.history[-1].counts == {"failed": 1, "not-attempted": 1}


def test_record__equal_write_by_others_is_recorded() -> None:
    one, two = change(None, NEW), change(OLD, None, flow_id=B)
    run = Recorded(inventory(resource(B)), plan_of(one, two))
    after = run.finish(Outcome(one, ChangeStatus.APPLIED, 4), Outcome(two, ChangeStatus.APPLIED))
    assert after.resources == {A: resource(source=NEW, revision=4)}


def test_intent__unsure_write_is_kept() -> None:
    one, two = change(OLD, NEW), change(OLD, None, flow_id=B)
    run = Recorded(inventory(resource(), resource(B)), plan_of(one, two))
    run.recorder.store_intent()
    after = run.finish(*(Outcome(each, ChangeStatus.FAILED, unsure=True) for each in (one, two)))
    assert after.intent is not None
    assert after.intent.writes == {A: resource(source=NEW, revision=None), B: None}
    assert after.resources == {A: resource(), B: resource(B)}


def none(reason: Reason, source: bytes | None = OLD, flow_id: FlowId = A) -> Change:
    what = change(THEIRS, source, None, flow_id=flow_id, reason=reason, action=Action.NONE)
    object.__setattr__(what, "before", source)
    return what


def test_record__flow_without_a_write_is_recorded() -> None:
    dropped = change(OLD, None, flow_id=B, reason=Reason.DROPPED, action=Action.NONE)
    plan = plan_of(none(Reason.ADOPT), dropped)
    run = Recorded(inventory(resource(B)), plan)
    assert run.recorder.record.stale
    after = run.finish()
    assert after.resources == {A: resource(revision=None)}
    assert (after.history[-1].result, after.history[-1].counts) == ("adopted", {"adopt": 1})


def test_inventory__flow_now_owned_by_others_is_removed() -> None:
    foreign = change(OLD, None, reason=Reason.FOREIGN, action=Action.NONE)
    assert Recorded(inventory(resource()), plan_of(foreign)).finish().resources == {}


def test_kv__unchanged_value_is_not_stored() -> None:
    """Not even for a revision that we know better than the plan."""
    run = Recorded(inventory(resource()), plan_of(none(Reason.REFRESHED)))
    assert not run.recorder.record.stale
    run.recorder.finish((), "applied")
    assert run.kv.puts == []
    assert run.recorder.record.inventory.generation == 5


def test_killed_run__writes_are_known_before_the_next_run() -> None:
    """Should that be killed as well, before it writes: what is there is still ours."""
    before = inventory(resource(), intended={A: resource(source=THEIRS, revision=None)})
    run = Recorded(before, plan_of(change(THEIRS, NEW)))
    run.recorder.store_intent()
    assert run.stored.bases()[A].live_hashes == {sha256(THEIRS), sha256(NEW)}


def test_killed_run__unchecked_intent_is_kept() -> None:
    lost = resource(B, NEW, None)
    before = inventory(resource(C), intended={B: lost, C: resource(C), A: None})
    what = change(None, NEW)
    run = Recorded(before, plan_of(what, partial=True))
    run.recorder.store_intent()
    assert run.stored.intent is not None
    assert run.stored.intent.writes == {A: resource(source=NEW, revision=None), B: lost}
    after = run.finish(applied(what, 1))
    assert after.intent is not None
    assert after.intent.writes == {B: lost}
    assert after.resources.keys() == {A, C}


def test_intent__without_writes_is_closed() -> None:
    dropped = change(None, None, reason=Reason.DROPPED, action=Action.NONE)
    before = inventory(intended={A: resource(source=NEW, revision=None)})
    after = Recorded(before, plan_of(dropped)).finish()
    assert (after.intent, after.resources) == (None, {})


@pytest.mark.parametrize("known", [True, False], ids=["ours before", "taken over"])
def test_rollback__restores_the_entries_of_the_record(known: bool) -> None:
    what = change(OLD, NEW)
    run = Recorded(inventory(resource()) if known else None, plan_of(what))
    run.recorder.store_intent()
    after = run.finish(applied(what), restored=(Restored(what, RollbackStatus.RESTORED, 3),))
    assert after.resources == ({A: resource(revision=3)} if known else {})
    assert after.history[-1].counts == {"update": 1, "rolled-back": 1}


def test_rollback__to_an_edit_by_others_keeps_the_entry() -> None:
    what = change(THEIRS, NEW)
    run = Recorded(inventory(resource()), plan_of(what))
    after = run.finish(applied(what), restored=(Restored(what, RollbackStatus.RESTORED, 3),))
    assert after.resources == {A: resource()}


def test_rollback__of_an_unsure_write_leaves_no_intent() -> None:
    what = change(OLD, NEW)
    run = Recorded(inventory(resource()), plan_of(what))
    lost = Outcome(what, ChangeStatus.FAILED, unsure=True)
    after = run.finish(lost, restored=(Restored(what, RollbackStatus.RESTORED, 1),))
    assert (after.intent, after.resources) == (None, {A: resource()})


def test_rollback__unreverted_write_is_recorded() -> None:
    what = change(None, NEW)
    run = Recorded(None, plan_of(what))
    after = run.finish(applied(what, 1), restored=(Restored(what, RollbackStatus.FAILED),))
    assert after.resources == {A: resource(source=NEW, revision=1)}


def test_history__keeps_fifty_runs() -> None:
    what = change(OLD, NEW)
    before = inventory(resource())
    for _ in range(60):
        before = Recorded(before, plan_of(what)).finish(applied(what))
    assert len(before.history) == 50


def test_history__runs_are_numbered_from_one() -> None:
    """Not by how often the record was written, which a run does twice."""
    what = change(OLD, NEW)
    first = Recorded(None, plan_of(what)).finish(applied(what))
    written = replace(first, generation=7)
    second = Recorded(written, plan_of(what)).finish(applied(what))
    assert [each.generation for each in second.history] == [1, 2]
    assert second.generation == 8
    old = replace(first, history=(replace(first.history[0], generation=12),))
    later = Recorded(old, plan_of(what)).finish(applied(what))
    assert [each.generation for each in later.history] == [12, 13]


def test_record__lost_response_is_retried() -> None:
    run = Recorded(None, plan_of(change(None, NEW)))
    run.kv.lose_put.append(LOST)
    run.recorder.store_intent()
    assert [key.partition(".")[0] for key, _, _ in run.kv.puts] == [
        "kestra-sync-run",
        "kestra-sync-run",
        "kestra-sync",
    ]
    run.kv.lose_put.append(LOST)
    run.finish(applied(change(None, NEW), 1))
    assert [value["generation"] for key, value, _ in run.kv.puts if key == PLACE.key] == [1, 2, 2]


def test_record__refused_write_is_an_error() -> None:
    run = Recorded(None, plan_of(change(None, NEW)))
    run.kv.fail_put.append(Forbidden(403, "PUT", "/kv"))
    with pytest.raises(Forbidden):
        run.recorder.store_intent()
    assert run.recorder.record.inventory.generation == 0


def test_record__of_another_run_is_not_overwritten() -> None:
    """Two believed holders of the lock: the second one sees the first one's record and stops."""
    what = change(OLD, NEW)
    run = Recorded(inventory(resource()), plan_of(what))
    run.recorder.store_intent()
    theirs = {**run.kv.values[PLACE.key], "nonce": "theirs"}
    run.kv.values[PLACE.key] = theirs
    with pytest.raises(StaleRecordError):
        run.finish(applied(what))
    assert run.kv.values[PLACE.key] is theirs
    # What it was about to write is still there, under its own key.
    (key,) = (each for each in run.kv.values if each.startswith(RUN_PREFIX))
    assert from_json(run.kv.values[key]).bases()[A].live_hashes == {sha256(NEW)}


def test_record__immediate_overwrite_is_detected() -> None:
    run = Recorded(inventory(resource()), plan_of(change(OLD, NEW)))
    put = run.kv.put

    def overwritten(namespace: str, key: str, value: Any, **more: Any) -> None:
        put(namespace, key, value, **more)
        if key == PLACE.key:
            run.kv.values[key] = {**value, "nonce": "theirs"}

    run.kv.put = overwritten  # type: ignore[method-assign]
    with pytest.raises(StaleRecordError):
        run.recorder.store_intent()


@pytest.mark.parametrize("error", [Forbidden(403, "PUT", "/kv"), LOST], ids=["refused", "lost"])
@pytest.mark.parametrize("checked", [True, False], ids=["at the same time", "before"])
def test_intent__that_fails_leaves_no_key_of_the_run(checked: bool, error: KestraError) -> None:
    """The key is stored at the same time as the record, and may arrive after that failed."""
    before = inventory(resource())
    run = Recorded(before, plan_of(change(OLD, NEW)))
    put, failed, begun = run.kv.put, threading.Event(), []

    def slowly(namespace: str, key: str, value: Any, **more: Any) -> None:
        if key == PLACE.key:
            failed.set()
            raise error
        begun.append(key)
        if checked:
            assert failed.wait(10)
            time.sleep(0.05)
        put(namespace, key, value, **more)

    run.kv.put = slowly  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        run.recorder.store_intent(recent=(before.version,) if checked else None)
    for each in threading.enumerate():
        if each.name == "kestra-early":  # a write that was not waited for
            each.join()
    assert begun
    assert set(run.kv.values) == {PLACE.key}


def test_intent__that_could_not_be_announced_leaves_no_key_of_the_run() -> None:
    before = inventory(resource())
    run = Recorded(before, plan_of(change(OLD, NEW)))
    put = run.kv.put

    def lost(namespace: str, key: str, value: Any, **more: Any) -> None:
        put(namespace, key, value, **more)
        if key.startswith(RUN_PREFIX):
            raise LOST

    run.kv.put = lost  # type: ignore[method-assign]
    with pytest.raises(UnknownOutcome):
        run.recorder.store_intent(recent=(before.version,))
    assert set(run.kv.values) == {PLACE.key}


def test_apply__leaves_only_the_record() -> None:
    what = change(None, NEW)
    run = Recorded(None, plan_of(what))
    run.recorder.store_intent()
    run.finish(applied(what, 1))
    run.recorder.close()
    assert set(run.kv.values) == {PLACE.key}


def test_plan__shows_changes_of_the_record() -> None:
    dropped = change(OLD, None, flow_id=B, reason=Reason.DROPPED, action=Action.NONE)
    plan = plan_of(none(Reason.ADOPT), dropped)
    pending = Recorded(inventory(resource(B)), plan).recorder.record.pending()
    assert [(each.kind, each.flows) for each in pending] == [("adopt", 1), ("drop", 1)]
    # An unfinished run is closed: that is a change as well.
    open_run = inventory(resource(), intended={A: resource(source=NEW)})
    assert [each.kind for each in Recorded(open_run, plan_of()).recorder.record.pending()] == []
    seen = plan_of(change(OLD, OLD, action=Action.NONE, reason=Reason.IN_SYNC))
    assert [each.kind for each in Recorded(open_run, seen).recorder.record.pending()] == ["close"]


def test_a_record_of_another_server_is_bound_to_this_one() -> None:
    old = replace(inventory(resource()), target=Target("http://elsewhere", "main"))
    run = Recorded(old, plan_of())
    assert [each.kind for each in run.recorder.record.pending()] == ["bind"]
    assert run.finish().target == TARGET
