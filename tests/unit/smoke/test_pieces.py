"""Following, reading logs, finding the task, cleaning up: against a server in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from kestra_sync.client.errors import ConflictingState, Forbidden, ServerFailure, Unreachable
from kestra_sync.client.logs import LogEntry
from kestra_sync.executions.cleanup import kill, remove
from kestra_sync.executions.culprit import Culprit, find_culprit, guilty
from kestra_sync.executions.follow import StillRunning, await_end, follow_to_end
from kestra_sync.executions.logs import LINE_LENGTH, LINES, error_of, found_in, read_logs, tail
from kestra_sync.executions.server import page_of
from kestra_sync.model import FlowId
from kestra_sync.safe.secrets import Masker
from tests.unit.smoke.fake import (
    FakeClock,
    FakeServer,
    entry,
    execution,
    not_found,
    task_run,
)

MASKER = Masker((), {})
DOWN = Unreachable("down")
BROKEN = ServerFailure(500, "GET", "/x", "broken")


def follow(server: FakeServer, clock: FakeClock, seconds: float = 60) -> tuple[str, list[str]]:
    seen: list[str] = []
    ended = follow_to_end(
        server.executions,
        execution("CREATED"),
        deadline=clock.time + seconds,
        on_change=lambda each: seen.append(each.state),
        clock=clock.clock,
    )
    return ended.state, seen


def test_server__temporarily_unavailable_is_waited_for() -> None:
    clock = FakeClock()
    server = FakeServer(
        [execution("RUNNING"), execution()], failing={"follow": [not_found(), DOWN, BROKEN, DOWN]}
    )
    assert follow(server, clock) == ("SUCCESS", ["RUNNING", "SUCCESS"])
    assert clock.time > 100


def test_stream__early_end_is_reconnected() -> None:
    clock = FakeClock()
    server = FakeServer([execution("RUNNING")])

    class Cut(type(server.executions)):  # type: ignore[misc]
        def follow(self, execution_id: str, *, timeout: float | None = None):  # type: ignore[no-untyped-def]
            self.server.called("follow", timeout)
            yield self.server.states[0]
            self.server.states = [execution()]

    ended = follow_to_end(
        Cut(server),
        execution("CREATED"),
        deadline=clock.time + 9,
        on_change=lambda _each: None,
        clock=clock.clock,
    )
    assert ended.state == "SUCCESS"
    assert server.names() == ["follow", "follow"]


def test_stream__silent_one_is_replaced_by_reads() -> None:
    clock = FakeClock()
    server = FakeServer([execution("PAUSED")], clock=clock)
    with pytest.raises(StillRunning):
        follow(server, clock, seconds=100)
    looks = [of for name, of in server.calls if name == "follow"]
    assert looks[:3] == [3, 4.5, 6.75]
    assert max(looks) == 20
    assert clock.time == pytest.approx(200)


def test_server__wait_ends_at_the_deadline() -> None:
    clock = FakeClock()
    with pytest.raises(StillRunning):
        follow(FakeServer(failing={"follow": [DOWN] * 1000}), clock, seconds=30)
    assert clock.time == pytest.approx(130)


def test_an_execution_that_never_appears_or_is_deleted_is_an_error() -> None:
    with pytest.raises(type(not_found())):
        follow(FakeServer(failing={"follow": [not_found()] * 1000}), FakeClock())


def test_credentials_that_may_not_read_are_an_error_at_once() -> None:
    with pytest.raises(Forbidden):
        follow(FakeServer(failing={"follow": [Forbidden(403, "GET", "/x")]}), FakeClock())


def test_cleanup__interrupted_run_does_not_wait() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StillRunning):
        follow_to_end(
            FakeServer([execution("RUNNING")]).executions,
            execution("CREATED"),
            deadline=1e9,
            on_change=lambda _each: None,
            stop=stop,
        )


def test_waiting_for_the_end_never_fails() -> None:
    clock = FakeClock()
    server = FakeServer([execution("KILLING")], failing={"get": [DOWN]})
    assert await_end(
        server.executions, execution("RUNNING"), seconds=3, clock=clock.clock
    ).state == ("KILLING")
    gone = FakeServer(failing={"get": [not_found()]})
    assert await_end(gone.executions, execution("RUNNING"), seconds=3).state == "RUNNING"


def test_logs__are_read_until_nothing_more_comes() -> None:
    clock = FakeClock()
    server = FakeServer(failing={"logs": [DOWN]})

    def enough(_entries: object) -> bool:
        if len(server.log) < 50:
            server.log.append(entry(f"line {len(server.log)}"))
        return False

    entries = read_logs(server.logs, "e1", enough=enough, clock=clock.clock)
    assert len(entries) >= 29  # as long as more came, up to the limit
    assert clock.time - 100 < 35


def test_logs__missing_message_fails_soon() -> None:
    clock = FakeClock()
    read_logs(FakeServer().logs, "e1", enough=lambda _entries: False, clock=clock.clock)
    assert 8 <= clock.time - 100 < 10


def test_logs__pause_of_six_seconds_is_waited_for() -> None:
    clock = FakeClock()
    server = FakeServer(log=[entry("first")])

    def enough(entries: Sequence[LogEntry]) -> bool:
        if clock.time - 100 >= 6 and len(server.log) == 1:
            server.log.append(entry("late"))
        return found_in("late", entries) is not None

    entries = read_logs(server.logs, "e1", enough=enough, clock=clock.clock)
    assert [each.message for each in entries] == ["first", "late"]
    assert clock.time - 100 < 8


def test_logs__missing_message_is_reported_when_the_log_is_quiet() -> None:
    clock = FakeClock()
    server = FakeServer(log=[entry("first")])

    def enough(_entries: object) -> bool:
        if clock.time - 100 >= 1.5 and len(server.log) == 1:
            server.log.append(entry("forbidden"))
        return True

    entries = read_logs(server.logs, "e1", enough=enough, settled=True, clock=clock.clock)
    assert [each.message for each in entries] == ["first", "forbidden"]
    assert 3.5 <= clock.time - 100 < 5


def test_logs_that_are_there_are_not_waited_for() -> None:
    clock = FakeClock()
    server = FakeServer(log=[entry("there")])
    read_logs(server.logs, "e1", enough=bool, clock=clock.clock)
    assert clock.time == 100


def test_logs__are_sorted_although_the_server_leaves_zeros_out() -> None:
    server = FakeServer(
        log=[
            entry("3", timestamp="2030-01-31T12:30:01.51Z"),
            entry("1", timestamp="2030-01-31T12:30:01Z"),
            entry("2", timestamp="2030-01-31T12:30:01.5Z"),
        ]
    )
    entries = read_logs(server.logs, "e1", enough=lambda _entries: True)
    assert [each.message for each in entries] == ["1", "2", "3"]
    assert found_in("[23]", entries) == entries[1]


def test_the_tail_is_short_and_leaves_debug_output_out() -> None:
    loud = [entry(f"line {number}") for number in range(20)]
    lines = tail([*loud, entry("x" * 1000 + "\nsecond"), entry("trace", "TRACE")], MASKER)
    assert len(lines) == LINES
    assert lines[-1].text == "second"
    assert (lines[-1].time, lines[-2].time) == ("", "12:30:01.250")
    assert len(lines[-2].text) == LINE_LENGTH + 1
    assert [each.text for each in tail([entry("only", "DEBUG")], MASKER)] == ["only"]
    assert [each.text for each in tail([entry("")], MASKER)] == [""]


def test_culprit__innermost_first_failure() -> None:
    failed = execution(
        "FAILED",
        task_runs=(
            task_run("group", "FAILED"),
            task_run("later", "FAILED", end="2030-01-31T12:00:02Z"),
            task_run("first", "FAILED", end="2030-01-31T12:00:01Z"),
            task_run("fine"),
        ),
        raw={"taskRunList": [{"id": "first", "parentTaskRunId": "group"}, "?", {"id": "fine"}]},
    )
    found = guilty(failed)
    assert found is not None
    assert found.task_id == "first"
    assert guilty(execution()) is None
    at = guilty(execution("RUNNING", task_runs=(task_run("done"), task_run("now", "RUNNING"))))
    assert at is not None
    assert at.task_id == "now"


def test_loop__iteration_with_its_own_execution_is_followed() -> None:
    loop = task_run("loop", "FAILED", id="t1")
    first, second, fine = (
        execution(state, known, started_by="t1", loop_value=value, end=end, task_runs=(call,))
        for state, known, value, end, call in (
            ("FAILED", "i1", "a", "2030-01-01T00:00:01Z", task_run("call", "FAILED", id="t2")),
            ("FAILED", "i2", "b", "2030-01-01T00:00:02Z", task_run("call", "FAILED", id="t3")),
            ("SUCCESS", "i3", "c", "2030-01-01T00:00:00Z", task_run("call", id="t4")),
        )
    )
    iterations = [replace(each, kind="LOOP") for each in (second, first, fine)]
    child = execution(
        "FAILED",
        "c1",
        flow_id=FlowId("company.team", "child"),
        started_by="t2",
        task_runs=(task_run("boom", "FAILED", id="t5"),),
    )
    server = FakeServer(
        others={each.id: each for each in (*iterations, child)},
        found=[*iterations, child],
        log=[entry("why", "ERROR", task_run_id="t5")],
    )
    found = find_culprit(server, execution("FAILED", task_runs=(loop,)), MASKER)
    assert found.culprit is not None
    assert found.culprit.chain == ("loop[a]", "call", "company.team/child", "boom")
    assert server.names().count("started by") == 1


def test_subflows__are_deleted_with_the_execution() -> None:
    iterations = [replace(execution(known=known), kind="LOOP") for known in ("i1", "i2")]
    server = FakeServer(found=iterations, failing={"get": [not_found()] * 9})
    cleanup = remove(
        server,
        execution(),
        MASKER,
        subflows=True,
        restless=False,
        kill_seconds=1,
        clock=FakeClock().clock,
    )
    assert (cleanup.deleted, cleanup.problems) == (3, ())
    assert [of for name, of in server.calls if name == "delete"] == ["i2", "i1", "e1"]


def test_culprit__unreadable_subflow_ends_the_search() -> None:
    call = task_run("call", "FAILED", value="item 1", outputs={"executionId": "e2"})
    server = FakeServer(failing={"get": [DOWN]}, log=[entry("why", "ERROR", task_run_id="call")])
    found = find_culprit(server, execution("FAILED", task_runs=(call,)), MASKER)
    assert found.culprit == Culprit(("call[item 1]",), "FAILED", "why")


def test_culprit__cycle_of_subflows_ends() -> None:
    call = task_run("call", "FAILED", outputs={"executionId": "e1"})
    bad = execution("FAILED", task_runs=(call,))
    found = find_culprit(FakeServer([bad], log=[entry("x", "ERROR")]), bad, MASKER)
    assert found.culprit is not None
    assert len(found.culprit.chain) < 12


def test_culprit__repeated_errors_are_reported_once() -> None:
    says = [entry(each, "ERROR", task_run_id="a") for each in ("why", "why", "failed")]
    other = entry("something else", "ERROR", task_run_id="b")
    assert error_of([*says, other], "a") == "why\nfailed"
    assert error_of([*says, other], "c") == "something else"
    assert error_of([], "a") == ""


def test_a_failure_before_any_task_has_an_error_only() -> None:
    server = FakeServer(log=[entry("no output", "ERROR")])
    found = find_culprit(server, execution("FAILED"), MASKER)
    assert found.culprit == Culprit((), "FAILED", "no output")
    assert find_culprit(FakeServer(), execution("WARNING"), MASKER).culprit is None


def test_kill__is_retried_and_reported() -> None:
    clock = FakeClock()
    running = execution("RUNNING")
    server = FakeServer([running], failing={"kill": [not_found(), DOWN]})
    assert kill(server, running, seconds=5, clock=clock.clock)[1] == "killed"
    over = FakeServer(failing={"kill": [ConflictingState(409, "DELETE", "/x", "over")]})
    assert kill(over, running, seconds=5, clock=clock.clock)[1] == (
        "ended as SUCCESS while being killed"
    )
    away = FakeServer(failing={"kill": [DOWN] * 1000})
    assert kill(away, running, seconds=5, clock=clock.clock)[1] == "could not be killed: down"

    class Stubborn(FakeServer):
        @property
        def executions(self):  # type: ignore[no-untyped-def]
            calls = super().executions
            calls.kill = lambda known: self.called("kill", known)
            return calls

    assert kill(Stubborn([running]), running, seconds=5, clock=clock.clock)[1] == (
        "was killed, but is still RUNNING"
    )


LABEL = {"system.correlationId": "e1"}


def test_cleanup__only_own_executions_are_deleted() -> None:
    links = [
        entry('Created new execution [[link execution="e3" flowId="x"'),
        entry('[[link execution="foreign" flowId="x"'),
        entry('[[link execution="gone"'),
    ]
    server = FakeServer(
        log=links,
        others={
            "e2": execution(known="e2", labels=LABEL),
            "e3": execution("RUNNING", known="e3", labels=LABEL),
            "foreign": execution(known="foreign", labels={"system.correlationId": "other"}),
        },
    )
    root = execution(
        task_runs=(
            task_run("call", outputs={"executionId": "e2"}),
            task_run("loop", outputs={"iterations": {}}),
        )
    )
    original = server.executions.get

    class Some(FakeServer):
        @property
        def executions(self):  # type: ignore[no-untyped-def]
            calls = super().executions

            def get(known: str):  # type: ignore[no-untyped-def]
                if known == "gone":
                    raise not_found()
                return original(known)

            calls.get = get
            return calls

    some = Some(server.states, server.log, others=server.others)
    done = remove(
        some, root, MASKER, subflows=True, restless=False, kill_seconds=1, clock=FakeClock().clock
    )
    deleted = [of for name, of in some.calls if name == "delete"]
    assert done.deleted == 3
    assert set(deleted) == {"e1", "e2", "e3"}
    assert ("kill", "e3") in some.calls


def test_cleanup__failed_deletion_is_reported_after_two_attempts() -> None:
    server = FakeServer(failing={"delete": [BROKEN, BROKEN]})
    done = remove(
        server,
        execution(),
        MASKER,
        subflows=False,
        restless=False,
        kill_seconds=1,
        clock=FakeClock().clock,
    )
    assert done.kept
    assert done.problems == ("execution e1 could not be deleted: GET /x: 500: broken",)


def test_cleanup__recreated_resource_is_deleted_again() -> None:
    server = FakeServer(failing={"get": []})
    clock = FakeClock()
    done = remove(
        server,
        execution("KILLED"),
        MASKER,
        subflows=True,
        restless=True,
        kill_seconds=1,
        clock=clock.clock,
    )
    assert done.deleted == 1
    assert server.names().count("delete") == 4  # it comes back each time


def test_a_log_or_an_execution_that_cannot_be_read_stops_no_cleaning() -> None:
    root = execution(task_runs=(task_run("loop", outputs={"iterations": {}}),))
    server = FakeServer([root], failing={"logs": [DOWN], "get": [DOWN, not_found()]})
    done = remove(
        server,
        root,
        MASKER,
        subflows=True,
        restless=True,
        kill_seconds=1,
        clock=FakeClock().clock,
    )
    assert (done.deleted, done.problems) == (1, ())


def test_the_page_of_an_execution() -> None:
    server = FakeServer()
    assert page_of(server, execution()) == "http://kestra/ui/main/executions/company.team/work/e1"
    assert page_of(server, replace(execution(), url="http://x")) == "http://x"
