"""One write: reads before and after it, and after a lost response."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kestra_sync.apply.run import ChangeStatus, Outcome
from kestra_sync.apply.writer import ChangeWriter, FirstReads
from kestra_sync.client.errors import ApiError
from kestra_sync.client.flows import RecentRead
from kestra_sync.model import Action, Change, FlowId, Live
from tests.unit.apply.fakes import DOWN, INVALID, LOST, A, Flows, change, fail

REFUSED = ApiError(415, "POST", "/flows", "")
OLD, NEW, THEIRS = b"old", b"new", b"theirs"


def write(flows: Flows, what: Change) -> Outcome:
    return ChangeWriter(flows, sleep=lambda _seconds: None).write(what)


def create(flows: Flows) -> Outcome:
    return write(flows, change(None, NEW))


def update(flows: Flows, revision: int | None = 1) -> Outcome:
    return write(flows, change(OLD, NEW, revision))


def delete(flows: Flows) -> Outcome:
    return write(flows, change(OLD, None))


def test_a_creation() -> None:
    flows = Flows()
    done = create(flows)
    assert (done.status, done.revision, done.written) == (ChangeStatus.APPLIED, 1, True)
    assert flows.source("a") == NEW


def test_create__equal_flow_created_by_others_is_theirs() -> None:
    done = create(Flows(a=NEW))
    assert (done.status, done.written) == (ChangeStatus.APPLIED, False)
    assert "someone else created the same flow" in done.message


def test_create__different_flow_created_by_others_is_a_conflict() -> None:
    flows = Flows(a=THEIRS)
    done = create(flows)
    assert (done.status, done.written) == (ChangeStatus.CONFLICT, False)
    assert "now at revision 1" in done.message
    assert flows.source("a") == THEIRS


def test_create__deleted_before_the_check() -> None:
    flows = Flows(a=THEIRS)
    flows.before("get", lambda: flows.put("a", None))
    assert create(flows).status is ChangeStatus.CONFLICT


def test_create__lost_response_of_an_executed_request() -> None:
    flows = Flows()
    flows.after("create", fail(LOST))
    done = create(flows)
    assert (done.status, done.revision, done.written) == (ChangeStatus.APPLIED, 1, True)
    assert flows.calls == ["create", "get"]


def test_create__lost_response_of_an_unexecuted_request() -> None:
    flows = Flows()
    flows.before("create", fail(LOST))
    done = create(flows)
    assert (done.status, done.written) == (ChangeStatus.APPLIED, True)
    assert flows.calls == ["create", "get", "create"]


def test_create__late_arrival_is_recognized() -> None:
    """The look finds nothing, the second try meets the first."""
    flows = Flows()
    flows.before("create", fail(LOST), lambda: flows.put("a", NEW))
    done = create(flows)
    assert (done.status, done.revision, done.written) == (ChangeStatus.APPLIED, 1, True)


def test_create__lost_response_and_a_flow_of_others() -> None:
    flows = Flows()
    flows.before("create", fail(LOST))
    flows.before("get", lambda: flows.put("a", THEIRS))
    assert create(flows).status is ChangeStatus.CONFLICT
    assert flows.source("a") == THEIRS


@pytest.mark.parametrize("what", [change(None, NEW), change(OLD, NEW), change(OLD, None)])
def test_writer__unknown_outcome(what: Change) -> None:
    flows = Flows() if what.before is None else Flows(a=OLD)
    call = str(what.action)
    flows.before(call, fail(LOST))
    looks = [] if what.action is Action.CREATE else [None]
    flows.before("get", *looks, fail(DOWN))
    done = write(flows, what)
    assert (done.status, done.unsure, done.written) == (ChangeStatus.FAILED, True, False)
    assert done.error is LOST


@pytest.mark.parametrize("what", [change(None, NEW), change(OLD, NEW), change(OLD, None)])
def test_write__rejected_but_executed_is_recorded(what: Change) -> None:
    """By a proxy, say, that takes the answer for a page that it must not show."""
    flows = Flows() if what.before is None else Flows(a=OLD)
    flows.after(str(what.action), fail(REFUSED))
    done = write(flows, what)
    assert (done.status, done.written) == (ChangeStatus.APPLIED, True)
    assert flows.source("a") == what.after


@pytest.mark.parametrize("what", [change(None, NEW), change(OLD, NEW), change(OLD, None)])
def test_write__refusal_is_certain(what: Change) -> None:
    flows = Flows() if what.before is None else Flows(a=OLD)
    flows.before(str(what.action), fail(INVALID))
    done = write(flows, what)
    assert (done.status, done.unsure) == (ChangeStatus.FAILED, False)
    assert flows.source("a") == what.before


def test_an_update() -> None:
    flows = Flows(a=OLD)
    done = update(flows)
    assert (done.status, done.revision, done.written) == (ChangeStatus.APPLIED, 2, True)
    assert flows.calls == ["get", "update"]


def test_an_update_without_a_known_revision() -> None:
    assert update(Flows(a=OLD), None).status is ChangeStatus.APPLIED


@pytest.mark.parametrize("there", [THEIRS, None])
def test_update__flow_changed_by_others_before_the_read(there: bytes | None) -> None:
    flows = Flows(a=OLD)
    flows.put("a", there)
    done = update(flows)
    assert (done.status, done.written) == (ChangeStatus.CONFLICT, False)
    assert flows.source("a") == there


def test_update__flow_edited_and_reverted_in_between() -> None:
    flows = Flows(a=OLD)
    flows.put("a", THEIRS)
    flows.put("a", OLD)
    done = update(flows)
    assert (done.status, done.revision) == (ChangeStatus.APPLIED, 4)


def test_update__flow_deleted_right_before_the_write() -> None:
    flows = Flows(a=OLD)
    flows.before("update", lambda: flows.put("a", None))
    done = update(flows)
    assert done.status is ChangeStatus.CONFLICT
    assert "deleted on the server in the meantime" in done.message


def test_update__just_after_a_write_by_others() -> None:
    flows = Flows(a=OLD)
    flows.before("update", lambda: flows.put("a", THEIRS))
    done = update(flows)
    assert (done.status, done.revision, done.written) == (ChangeStatus.CONFLICT, 3, True)
    assert "revision 2, written by someone else just before, was overwritten" in done.message


def test_an_update_whose_answer_was_lost_arrived() -> None:
    flows = Flows(a=OLD)
    flows.after("update", fail(LOST))
    done = update(flows)
    assert (done.status, done.revision) == (ChangeStatus.APPLIED, 2)
    assert flows.calls == ["get", "update", "get"]


def test_an_update_whose_answer_was_lost_did_not_arrive() -> None:
    flows = Flows(a=OLD)
    flows.before("update", fail(LOST))
    assert update(flows).status is ChangeStatus.APPLIED
    assert flows.calls == ["get", "update", "get", "get", "update"]


@pytest.mark.parametrize("there", [THEIRS, None])
def test_update__lost_response_and_a_later_write_by_others(there: bytes | None) -> None:
    flows = Flows(a=OLD)
    flows.after("update", fail(LOST))
    flows.before("get", None, lambda: flows.put("a", there))
    assert update(flows).status is ChangeStatus.CONFLICT
    assert flows.source("a") == there


def test_retry__finds_a_deleted_flow() -> None:
    flows = Flows(a=OLD)
    flows.before("update", fail(LOST), lambda: flows.put("a", None))
    assert update(flows).status is ChangeStatus.CONFLICT


def test_a_deletion() -> None:
    flows = Flows(a=OLD)
    done = delete(flows)
    assert (done.status, done.written) == (ChangeStatus.APPLIED, True)
    assert flows.source("a") is None


def test_delete__already_deleted_by_others() -> None:
    done = delete(Flows())
    assert (done.status, done.written, done.message) == (
        ChangeStatus.APPLIED,
        False,
        "was already deleted",
    )


def test_delete__deleted_by_others_right_before() -> None:
    flows = Flows(a=OLD)
    flows.before("delete", lambda: flows.put("a", None))
    assert (delete(flows).status, delete(flows).written) == (ChangeStatus.APPLIED, False)


def test_delete__edited_flow_is_kept() -> None:
    flows = Flows(a=THEIRS)
    assert delete(flows).status is ChangeStatus.CONFLICT
    assert flows.source("a") == THEIRS


@pytest.mark.parametrize("arrived", [True, False])
def test_delete__lost_response_is_resolved_by_reading(arrived: bool) -> None:
    flows = Flows(a=OLD)
    (flows.after if arrived else flows.before)("delete", fail(LOST))
    done = delete(flows)
    assert (done.status, done.written) == (ChangeStatus.APPLIED, True)
    assert flows.calls == ["get", "delete", "get", *([] if arrived else ["delete"])]


def test_delete__late_arrival_is_recognized() -> None:
    flows = Flows(a=OLD)
    flows.before("delete", fail(LOST), lambda: flows.put("a", None))
    assert (delete(flows).status, flows.source("a")) == (ChangeStatus.APPLIED, None)


def test_delete__lost_response_and_an_edit_by_others() -> None:
    flows = Flows(a=OLD)
    flows.before("delete", fail(LOST))
    flows.before("get", None, lambda: flows.put("a", THEIRS))
    assert delete(flows).status is ChangeStatus.CONFLICT
    assert flows.source("a") == THEIRS


def test_a_change_without_a_source_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        write(Flows(), change(OLD, None, action=Action.CREATE))


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [(0.05, ["get", "update"]), (0.2, ["get", "get", "update"])],
    ids=["a moment ago", "too long ago"],
)
def test_first_reads__only_what_was_read_just_now_counts(seconds: float, calls: list[str]) -> None:
    flows, times = Flows(a=OLD), iter([0.0, seconds])
    first = FirstReads(flows, [A], clock=lambda: next(times))
    first.read(lambda: None)
    assert ChangeWriter(flows, first=first).write(change(OLD, NEW)).revision == 2
    assert flows.calls == calls


def test_first_reads__edit_that_they_show_is_a_conflict() -> None:
    flows = Flows(a=THEIRS)
    first = FirstReads(flows, [A])
    first.read(lambda: None)
    done = ChangeWriter(flows, first=first).write(change(OLD, NEW))
    assert (done.status, flows.source("a")) == (ChangeStatus.CONFLICT, THEIRS)


@pytest.mark.parametrize("error", [DOWN, RuntimeError("a bug")], ids=["failure", "bug"])
def test_first_reads__failed_read_is_repeated_before_the_write(error: Exception) -> None:
    flows = Flows(a=OLD)
    flows.before("get", fail(error))
    first = FirstReads(flows, [A])
    first.read(lambda: None)
    done = ChangeWriter(flows, first=first).write(change(OLD, NEW))
    assert (done.status, flows.calls) == (ChangeStatus.APPLIED, ["get", "get", "update"])


def test_update__edited_and_put_back_between_two_reads_of_it() -> None:
    """What counts is the read right before the write, however often it was read before that."""

    class Reread(Flows):
        def update(
            self,
            flow_id: FlowId,
            source: bytes,
            *,
            check: Callable[[Live], None] | None = None,
            recent: RecentRead | None = None,
        ) -> Live:
            assert check is not None
            check(self.get(flow_id))
            self.put("a", THEIRS)
            self.put("a", OLD)
            return super().update(flow_id, source, check=check, recent=recent)

    flows = Reread(a=OLD)
    assert write(flows, change(OLD, NEW)).status is ChangeStatus.APPLIED
    assert flows.source("a") == NEW
