"""Rolls back writes without changing those of others."""

from __future__ import annotations

import pytest

from kestra_sync.apply.rollback import roll_back
from kestra_sync.apply.run import ChangeStatus, Outcome, Restored, RollbackStatus, rollback_code
from kestra_sync.errors import ExitCode
from kestra_sync.model import Change
from kestra_sync.observer import SILENT
from tests.unit.apply.fakes import DOWN, INVALID, LOST, Flows, change, fail

OLD, NEW, THEIRS = b"old", b"new", b"theirs"


def back(flows: Flows, what: Change, **more: object) -> Restored:
    outcome = Outcome(what, ChangeStatus.APPLIED, written=True)
    for name, value in more.items():
        object.__setattr__(outcome, name, value)
    (result,) = roll_back(flows, [outcome], SILENT, sleep=lambda _seconds: None)
    return result


def test_an_update_a_creation_and_a_deletion_are_undone() -> None:
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    assert back(flows, change(OLD, NEW)).status is RollbackStatus.RESTORED
    assert flows.source("a") == OLD
    flows = Flows(a=NEW)
    assert back(flows, change(None, NEW)).status is RollbackStatus.RESTORED
    assert flows.source("a") is None
    flows = Flows(a=OLD)
    flows.put("a", None)
    result = back(flows, change(OLD, None))
    assert (result.status, result.revision) == (RollbackStatus.RESTORED, 3)
    assert flows.source("a") == OLD


def test_revisions__unchanged_flows_come_from_the_record() -> None:
    flows = Flows(a=OLD)
    assert (
        back(flows, change(OLD, NEW), written=False, unsure=True).status is RollbackStatus.RESTORED
    )
    assert flows.calls == ["get"]
    flows = Flows()
    assert back(flows, change(None, NEW)).status is RollbackStatus.RESTORED


@pytest.mark.parametrize("there", [THEIRS, None])
def test_rollback__later_edit_is_left_and_reported(there: bytes | None) -> None:
    flows = Flows(a=OLD)
    flows.put("a", there)
    result = back(flows, change(OLD, NEW))
    assert result.status is RollbackStatus.LEFT
    assert ("gone" if there is None else "revision 2") in result.message
    assert flows.source("a") == there


def test_rollback__concurrent_edit_is_left() -> None:
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    flows.before("get", None, lambda: flows.put("a", THEIRS))
    assert back(flows, change(OLD, NEW)).status is RollbackStatus.LEFT
    assert flows.source("a") == THEIRS


def test_rollback__unwritten_flows_are_not_changed() -> None:
    flows = Flows(a=OLD)
    outcomes = [
        Outcome(change(OLD, NEW), ChangeStatus.NOT_ATTEMPTED),
        Outcome(change(None, OLD), ChangeStatus.APPLIED),  # someone else created it for us
    ]
    assert roll_back(flows, outcomes, SILENT) == ()
    assert flows.calls == []


def test_rollback__reverts_in_reverse_order() -> None:
    """It is the one that may call the others."""
    told: list[tuple[str, str]] = []
    one, two = change(OLD, NEW), change(NEW, THEIRS)
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    flows.put("a", THEIRS)
    outcomes = [Outcome(each, ChangeStatus.APPLIED, written=True) for each in (one, two)]
    roll_back(
        flows, outcomes, SILENT, journal=lambda what, event: told.append((str(what.after), event))
    )
    assert flows.source("a") == OLD
    assert told == [
        (str(THEIRS), "rolling-back"),
        (str(THEIRS), "restored"),
        (str(NEW), "rolling-back"),
        (str(NEW), "restored"),
    ]


def test_rollback__restores_the_edit_right_before_the_update() -> None:
    flows = Flows(a=OLD)
    flows.put("a", THEIRS)
    flows.put("a", NEW)
    result = back(flows, change(OLD, NEW), status=ChangeStatus.CONFLICT, revision=3)
    assert result.status is RollbackStatus.RESTORED
    assert "revision 2, which was written by someone else" in result.message
    assert flows.source("a") == THEIRS


def test_rollback__edit_right_before_the_update_is_no_longer_kept() -> None:
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    assert (
        back(flows, change(OLD, NEW), status=ChangeStatus.CONFLICT, revision=9).status
        is RollbackStatus.RESTORED
    )
    assert flows.source("a") == OLD
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    assert (
        back(flows, change(OLD, NEW), status=ChangeStatus.CONFLICT, revision=2).status
        is RollbackStatus.RESTORED
    )
    assert flows.source("a") == OLD


def test_failures_are_reported_and_do_not_stop_the_rest() -> None:
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    flows.before("update", fail(INVALID))
    result = back(flows, change(OLD, NEW))
    assert (result.status, result.message) == (RollbackStatus.FAILED, str(INVALID))
    flows.before("get", fail(DOWN))
    assert back(flows, change(OLD, NEW)).status is RollbackStatus.FAILED


def test_lost_answers_are_resolved() -> None:
    flows = Flows(a=OLD)
    flows.put("a", NEW)
    flows.after("update", fail(LOST))
    assert back(flows, change(OLD, NEW)).status is RollbackStatus.RESTORED


def deleted() -> Flows:
    flows = Flows(a=OLD)
    flows.put("a", None)
    return flows


def test_rollback__refused_source_is_restored_through_a_stub() -> None:
    flows = deleted()
    flows.before("create", fail(INVALID))
    result = back(flows, change(OLD, None))
    assert result.status is RollbackStatus.RESTORED
    stub = flows.stored["a"][-2]
    assert stub is not None
    assert b"disabled: true" in stub
    assert flows.source("a") == OLD


def test_no_stub_is_left_behind() -> None:
    flows = deleted()
    flows.before("create", fail(INVALID))
    flows.before("update", fail(INVALID))
    assert back(flows, change(OLD, None)).status is RollbackStatus.FAILED
    assert flows.source("a") is None
    flows = deleted()
    flows.before("create", fail(INVALID), fail(DOWN))
    assert back(flows, change(OLD, None)).status is RollbackStatus.FAILED


def test_rollback__exit_code_shows_whether_it_is_complete() -> None:
    what = change(OLD, NEW)
    good, bad = Restored(what, RollbackStatus.RESTORED), Restored(what, RollbackStatus.LEFT)
    assert rollback_code([good], ExitCode.FAILURE) is ExitCode.FAILURE
    assert rollback_code([good], ExitCode.SMOKE_FAILED) is ExitCode.SMOKE_FAILED
    assert rollback_code([good, bad], ExitCode.SMOKE_FAILED) is ExitCode.PARTIAL
