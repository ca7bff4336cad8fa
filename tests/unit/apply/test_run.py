"""Levels, failures, signals, journal and exit codes of a run."""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
from pathlib import Path

import pytest

from kestra_sync.apply.journal import Journal
from kestra_sync.apply.run import (
    ChangeStatus,
    Outcome,
    Tally,
    defer_signals,
    describe_outcome,
    exit_code,
    first_updates,
    run,
)
from kestra_sync.apply.writer import existing_creates, verify
from kestra_sync.client.bulk import FlowSummary
from kestra_sync.client.errors import Forbidden
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.model import Change, FlowId, Scope
from kestra_sync.observer import SILENT
from kestra_sync.plan.order import Stage
from tests.unit.apply.fakes import LOST, Flows, change

A, B, C = (change(None, b"x", flow_id=FlowId("acme", name)) for name in "abc")


def applied(what: Change) -> Outcome:
    return Outcome(what, ChangeStatus.APPLIED, 1, written=True)


def statuses(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [str(each.status) for each in outcomes]


def stage(*levels: list[Change], waits: dict[Change, list[Change]] | None = None) -> Stage:
    """Everything waits for the whole level before, unless it is said what for."""
    if waits is None:
        waits = {each: before for before, level in itertools.pairwise(levels) for each in level}
    return Stage(
        tuple(tuple(level) for level in levels),
        {
            each.flow_id: tuple(other.flow_id for other in waits.get(each, ()))
            for level in levels
            for each in level
        },
    )


def test_levels_one_after_another() -> None:
    done: list[Change] = []

    def write(what: Change) -> Outcome:
        done.append(what)
        return applied(what)

    outcomes = run([stage([A], [B, C])], write, parallelism=0, observer=SILENT)
    assert statuses(outcomes) == ["applied"] * 3
    assert done[0] is A
    assert [each.change for each in outcomes] == [A, B, C]


def test_order__independent_flows_do_not_wait() -> None:
    """B is running until C is done, which waits for A alone."""
    c_done = threading.Event()

    def write(what: Change) -> Outcome:
        if what is B:
            assert c_done.wait(30)
        if what is C:
            c_done.set()
        return applied(what)

    stages = [stage([A, B], [C], waits={C: [A]})]
    outcomes = run(stages, write, parallelism=2, observer=SILENT)
    assert statuses(outcomes) == ["applied"] * 3


def test_order__callee_with_waiting_callers_is_first() -> None:
    done: list[Change] = []

    def write(what: Change) -> Outcome:
        done.append(what)
        return applied(what)

    outcomes = run([stage([A, B], [C], waits={C: [B]})], write, parallelism=1, observer=SILENT)
    assert done[0] is B
    assert [each.change for each in outcomes] == [A, B, C]


def test_stages_one_after_another() -> None:
    """The second begins when all of the first is done."""
    done: list[Change] = []

    def write(what: Change) -> Outcome:
        done.append(what)
        return applied(what)

    outcomes = run([stage([A, B]), stage([C])], write, parallelism=3, observer=SILENT)
    assert statuses(outcomes) == ["applied"] * 3
    assert done[-1] is C


def test_a_long_level_may_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for every few seconds."""
    monkeypatch.setattr("kestra_sync.apply.run._CHECK_INTERVAL", 0.0)
    answers = iter([True, True, False])

    def write(what: Change) -> Outcome:
        time.sleep(0.05)
        return applied(what)

    outcomes = run(
        [stage([A, B, C])],
        write,
        parallelism=1,
        observer=SILENT,
        go_on=lambda: next(answers, False),
    )
    assert statuses(outcomes)[0] == "applied"
    assert statuses(outcomes)[-1] == "not-attempted"


def test_order__nothing_starts_after_a_failure() -> None:
    def write(what: Change) -> Outcome:
        return Outcome(what, ChangeStatus.FAILED) if what is B else applied(what)

    outcomes = run([stage([A, B], [C])], write, parallelism=1, observer=SILENT)
    assert statuses(outcomes) == ["applied", "failed", "not-attempted"]


def test_apply__bug_in_a_write_is_part_of_the_report() -> None:
    def write(what: Change) -> Outcome:
        if what is B:
            raise RuntimeError("oops")
        return applied(what)

    outcomes = run([stage([A, B, C])], write, parallelism=1, observer=SILENT)
    assert statuses(outcomes) == ["applied", "failed", "not-attempted"]
    assert (outcomes[1].message, outcomes[1].unsure) == ("RuntimeError: oops", True)
    assert exit_code(outcomes) is ExitCode.PARTIAL


def test_stop__ends_running_executions() -> None:
    stop = threading.Event()

    def write(what: Change) -> Outcome:
        stop.set()
        return applied(what)

    outcomes = run([stage([A, B], [C])], write, parallelism=1, observer=SILENT, stop=stop)
    assert statuses(outcomes) == ["applied", "not-attempted", "not-attempted"]


def test_run__level_may_be_refused() -> None:
    answers = iter([True, False])
    outcomes = run(
        [stage([A], [B], [C])], applied, parallelism=1, observer=SILENT, go_on=lambda: next(answers)
    )
    assert statuses(outcomes) == ["applied", "not-attempted", "not-attempted"]


def test_second_interrupt__starts_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = threading.Event()
    go_on = threading.Event()

    def write(what: Change) -> Outcome:
        go_on.wait(30)
        return applied(what)

    def interrupted(_finished: object) -> None:
        go_on.set()
        raise KeyboardInterrupt

    monkeypatch.setattr("kestra_sync.apply.run._next", interrupted)
    outcomes = run([stage([A], [B])], write, parallelism=1, observer=SILENT, stop=stop)
    assert stop.is_set()
    assert statuses(outcomes) == ["applied", "not-attempted"]


def test_an_interrupt_while_a_write_is_sent_leaves_it_unsure() -> None:
    """A third ``^C``: the response is not waited for, and the report does not guess."""
    tally = Tally([stage([A], [B])])

    def write(what: Change) -> Outcome:
        inside = tally.outcomes()
        assert [each.unsure for each in inside] == [True, False]
        assert statuses(inside) == ["failed", "not-attempted"]
        return applied(what)

    assert tally.attempt(write, A).status is ChangeStatus.APPLIED
    assert statuses(tally.outcomes()) == ["applied", "not-attempted"]


def test_run__crash_reports_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_finished: object) -> None:
        raise MemoryError("out of it")

    monkeypatch.setattr("kestra_sync.apply.run._next", broken)
    outcomes = run([stage([A], [B])], applied, parallelism=1, observer=SILENT)
    assert statuses(outcomes) == ["applied", "not-attempted"]
    assert describe_outcome(outcomes[1]) == "not attempted: the run failed: MemoryError: out of it"


def test_signals__are_deferred_and_then_restored() -> None:
    before = signal.getsignal(signal.SIGINT)
    with defer_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        signal.raise_signal(signal.SIGTERM)  # CI is impatient: the record is more important
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # a person who means it
    assert signal.getsignal(signal.SIGINT) is before


def test_signals__foreign_handler_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that was not set from Python reads as ``None`` and cannot be set again."""
    real = signal.signal
    set_again: list[object] = []

    def foreign(number: int, handler: object) -> object:
        set_again.append(handler)
        real(number, handler)  # type: ignore[arg-type]
        return None

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        monkeypatch.setattr(signal, "signal", foreign)
        with defer_signals():
            pass
        assert set_again[2:] == [signal.SIG_DFL, signal.SIG_DFL]
    finally:
        for each, handler in before.items():
            real(each, handler)


def test_signals__other_threads_get_none() -> None:
    found: list[threading.Event] = []

    def inside() -> None:
        with defer_signals() as stop:
            found.append(stop)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert not found[0].is_set()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(A, ChangeStatus.NOT_ATTEMPTED), "not attempted"),
        (Outcome(A, ChangeStatus.FAILED, message="no"), "failed: no"),
        (Outcome(A, ChangeStatus.CONFLICT, message="theirs"), "conflict: theirs"),
        (applied(A), "created, revision 1"),
        (Outcome(A, ChangeStatus.APPLIED, None, "someone did"), "created (someone did)"),
        (Outcome(change(b"x", None), ChangeStatus.APPLIED, 7), "deleted"),
    ],
)
def test_one_line_for_each_write(outcome: Outcome, words: str) -> None:
    assert describe_outcome(outcome) == words


def failed(**more: object) -> Outcome:
    outcome = Outcome(B, ChangeStatus.FAILED)
    for name, value in more.items():
        object.__setattr__(outcome, name, value)
    return outcome


FORBIDDEN = Forbidden(403, "PUT", "/flows")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), ExitCode.OK),
        ((applied(A),), ExitCode.OK),
        ((applied(A), Outcome(B, ChangeStatus.NOT_ATTEMPTED)), ExitCode.PARTIAL),
        ((Outcome(A, ChangeStatus.CONFLICT),), ExitCode.CONFLICT),
        ((applied(A), Outcome(B, ChangeStatus.CONFLICT)), ExitCode.CONFLICT),
        ((applied(A), failed()), ExitCode.PARTIAL),
        ((failed(unsure=True),), ExitCode.PARTIAL),
        ((Outcome(A, ChangeStatus.CONFLICT, written=True), failed()), ExitCode.PARTIAL),
        ((failed(),), ExitCode.FAILURE),
        ((failed(error=FORBIDDEN),), ExitCode.NOT_ALLOWED),
        ((failed(error=FORBIDDEN), failed(error=LOST)), ExitCode.FAILURE),
    ],
)
def test_exit_code__of_the_outcomes(outcomes: tuple[Outcome, ...], code: ExitCode) -> None:
    assert exit_code(outcomes) is code


class Reading(Flows):
    """The reads of a snapshot."""

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        return tuple(each[-1] for each in self.stored.values() if each[-1] is not None)

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]:
        raise AssertionError

    def namespaces(self) -> tuple[str, ...]:
        return ()

    def revisions(self, flow_id: FlowId) -> tuple[object, ...]:
        raise AssertionError


class Searching(Reading):
    """A server with some flows."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]:
        assert scope == Scope(("acme",), exact=True)
        return tuple(FlowSummary(FlowId("acme", name), 3) for name in self.names)


def test_requests__one_read_for_all_creations() -> None:
    first, second = existing_creates(Searching("b", "z"), [[A], [B]])
    assert (first.change, first.status) == (A, ChangeStatus.NOT_ATTEMPTED)
    assert (second.change, second.status, second.revision) == (B, ChangeStatus.CONFLICT, 3)
    assert existing_creates(Searching(), [[A], [B]]) == ()
    assert existing_creates(Searching("a"), [[change(b"x", b"y")]]) == ()


def test_verify__missing_write_is_a_conflict() -> None:
    kept, lost = (f"id: {name}\nnamespace: acme\ntasks: []\n".encode() for name in "ab")
    keep = applied(change(None, kept, flow_id=FlowId("acme", "a")))
    lose = applied(change(None, lost, flow_id=FlowId("acme", "b")))
    rest = Outcome(C, ChangeStatus.NOT_ATTEMPTED)
    flows = Reading(a=kept, b=lost + b"# by hand\n")
    found = verify(flows, [keep, lose, rest])
    assert statuses(found) == ["applied", "conflict", "not-attempted"]
    assert found[1].written
    assert verify(flows, [rest]) == (rest,)


def test_a_journal_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(str(path)) as journal:
        journal.around(applied)(A)
    with pytest.raises(RuntimeError), Journal(str(path)) as journal:
        raise RuntimeError
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    events = [each["event"] for each in lines]
    assert events == ["begin", "intend", "applied", "end", "begin", "end"]
    assert [each["error"] for each in lines if each["event"] == "end"] == [None, "RuntimeError"]
    assert len({each["run"] for each in lines}) == 2
    with pytest.raises(UsageError):
        Journal(str(tmp_path / "no" / "journal"))


def test_first_updates__leave_two_requests_for_the_record_and_the_lock() -> None:
    """Only what waits for nothing, and is there already."""
    updates = [change(b"x", b"y", flow_id=FlowId("acme", f"u{n}")) for n in range(9)]
    names = [each.flow_id for each in updates]
    stages = [stage([A, *updates], [B])]
    assert first_updates(stages, 8) == tuple(names[:6])
    assert first_updates(stages, 4) == tuple(names[:2])
    assert first_updates(stages, 1) == first_updates([], 8) == ()
