"""Complete runs against a server in memory, for situations that a real one does not produce."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kestra_sync.client.errors import (
    InvalidContent,
    TooManyRequests,
    UnexpectedAnswer,
    UnknownOutcome,
    Unreachable,
)
from kestra_sync.errors import ExitCode
from kestra_sync.executions.follow import Clock
from kestra_sync.model import FlowId
from kestra_sync.observer import Observer
from kestra_sync.smoke import case as one_module
from kestra_sync.smoke.progress import SmokeObserver
from kestra_sync.smoke.result import SmokeResult, SmokeRun, SmokeVerdict
from kestra_sync.smoke.runner import run_smoke
from kestra_sync.smoke.spec import Expectation, Keep, SmokeSettings, SmokeSpec
from tests.support.waiting import wait_for
from tests.unit.smoke.fake import FLOW, SOURCE, FakeServer, entry, execution, how_created, not_found

SPEC = SmokeSpec(FLOW)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleeping takes no time, but time goes on."""
    offset = [0.0]

    def sleep(seconds: float) -> None:
        offset[0] += seconds

    clock = Clock(lambda: time.monotonic() + offset[0], sleep)
    real = one_module.run_case

    def run_case(*args: Any, **how: Any) -> SmokeRun:
        return real(*args, **how, clock=clock)

    monkeypatch.setattr("kestra_sync.smoke.runner.run_case", run_case)


def run(server: FakeServer, *specs: SmokeSpec, **more: Any) -> SmokeResult:
    settings = more.pop("settings", SmokeSettings(commit="c0ffee", run_id="r1", kill_seconds=1))
    return run_smoke(
        server, specs or (SPEC,), more.pop("written", None), {}, settings=settings, **more
    )


def test_execution__start_request() -> None:
    server = FakeServer(source=WITH_INPUTS)
    spec = SmokeSpec(FLOW, inputs={"a": 1}, labels={"kestra-sync.run": "mine", "x": "y"})
    assert run(server, spec, written={FLOW: 7}).runs[0].verdict is SmokeVerdict.FAILED  # 1 is not 7
    assert how_created(server) == {
        "inputs": {"a": 1},
        "labels": {"kestra-sync.run": "r1", "kestra-sync.commit": "c0ffee", "x": "y"},
        "revision": 7,
        "kind": "TEST",
    }


def test_verify_triggers__run_of_another_revision_is_ignored() -> None:
    (ran,) = run(FakeServer(), written={FLOW: 7}).runs
    assert [each.message for each in ran.failures] == ["revision 1 was run instead of 7"]


def test_without_a_commit_there_is_no_label_of_it() -> None:
    server = FakeServer()
    run(server, settings=SmokeSettings(run_id="r2"))
    assert how_created(server)["labels"] == {"kestra-sync.run": "r2"}


def test_a_start_that_certainly_did_not_happen_is_tried_again() -> None:
    busy = TooManyRequests(429, "POST", "/x", "slow down")
    server = FakeServer(failing={"create": [Unreachable("down"), busy]})
    assert not run(server).failed
    assert server.names().count("create") == 3


def test_a_start_that_may_have_happened_is_not() -> None:
    lost = UnknownOutcome("reset", method="POST", path="/x")
    server = FakeServer(failing={"create": [lost]})
    (ran,) = run(server).runs
    assert ran.verdict is SmokeVerdict.ERROR
    assert "label kestra-sync.run: r1" in ran.failures[0].message
    assert server.names().count("create") == 1


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ({"flow": [not_found()]}, "no such flow on the server"),
        ({"flow": [Unreachable("down")]}, "could not be started: down"),
        (
            {"create": [InvalidContent(422, "POST", "/x", "Missing required input:who")]},
            "could not be started: Missing required input:who",
        ),
        ({"create": [UnexpectedAnswer("of kind x")]}, "could not be started: of kind x"),
        ({"create": [Unreachable("down")] * 99}, "could not be started: down"),
    ],
)
def test_start__refused_execution_is_an_error(
    failing: dict[str, list[Exception]], words: str
) -> None:
    result = run(FakeServer(failing=failing))
    assert [each.message for each in result.runs[0].failures] == [words]
    assert result.exit_code is ExitCode.SMOKE_FAILED


def test_smoke__tests_run_concurrently() -> None:
    meeting = threading.Barrier(6, timeout=30)

    def meet() -> None:
        meeting.wait()

    server = FakeServer(on_follow=meet)
    result = run(server, *(SmokeSpec(FLOW, name=str(number)) for number in range(6)))
    assert [ran.verdict for ran in result.runs] == [SmokeVerdict.PASSED] * 6


def test_revision__deleted_is_not_found() -> None:
    (ran,) = run(FakeServer(failing={"flow": [not_found()]}), written={FLOW: 3}).runs
    assert ran.failures[0].message == "no such flow on the server in revision 3"


def test_smoke__execution_deleted_by_others() -> None:
    (ran,) = run(FakeServer([execution("RUNNING")], failing={"follow": [not_found()] * 99})).runs
    assert (ran.verdict, ran.failures[0].message) == (
        SmokeVerdict.ERROR,
        "the execution was deleted by someone else",
    )


SECRET = b"""\
id: work
namespace: company.team
inputs:
  - {id: pw, type: SECRET, defaults: fallback-secret}
  - {id: n, type: INT}
  - odd
tasks: [{id: a, type: b}]
"""


def test_values_of_secret_inputs_are_masked_everywhere() -> None:
    server = FakeServer(
        [execution("FAILED", outputs={"out": "uses hunter2222"})],
        log=[entry("got hunter2222 and fallback-secret", "ERROR")],
        source=SECRET,
    )
    spec = SmokeSpec(FLOW, inputs={"pw": "hunter2222"}, expect=Expectation(outputs={"out": 1}))
    (ran,) = run(server, spec).runs
    assert "hunter2222" not in repr((ran.failures, ran.culprit, ran.log))
    assert ran.culprit is not None
    assert ran.culprit.error == "got *** and ***"


def test_a_source_that_cannot_be_parsed_is_run_all_the_same() -> None:
    assert not run(FakeServer(source=b"{{ not: yaml")).failed


@pytest.mark.parametrize(
    ("keep", "state", "kept"),
    [
        (Keep.NEVER, "FAILED", False),
        (Keep.ON_FAILURE, "FAILED", True),
        (Keep.ON_FAILURE, "SUCCESS", False),
        (Keep.ALWAYS, "SUCCESS", True),
    ],
)
def test_what_is_kept(keep: Keep, state: str, kept: bool) -> None:
    server = FakeServer([execution(state)])
    (ran,) = run(server, SmokeSpec(FLOW, keep=keep)).runs
    assert ran.cleanup is not None
    assert ran.cleanup.kept is kept
    assert ("delete" in server.names()) is not kept


BUGS = [
    ZeroDivisionError("bug"),
    RecursionError("too deep"),
    MemoryError(),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]


@pytest.mark.parametrize("call", ["flow", "create", "follow", "logs", "delete", "get"])
@pytest.mark.parametrize("bug", BUGS, ids=lambda each: type(each).__name__)
def test_smoke__exception_in_a_test_fails_or_is_reported(bug: Exception, call: str) -> None:
    """An exception would prevent the rollback and the record, so it becomes a result."""
    server = FakeServer([execution("FAILED")], failing={call: [bug]})
    (ran,) = run(server, SmokeSpec(FLOW, keep=Keep.NEVER)).runs
    assert ran.verdict in (SmokeVerdict.ERROR, SmokeVerdict.FAILED)
    said = [
        *(each.message for each in ran.failures),
        *(ran.cleanup.problems if ran.cleanup else ()),
    ]
    if call == "get":
        return  # only read while a caller has to wait
    assert any(type(bug).__name__ in each for each in said), said
    if call not in ("flow", "create", "delete"):
        assert "delete" in server.names()


@pytest.mark.parametrize("method", ["begin", "done", "end", "note"])
def test_smoke_observer__exceptions_do_not_change_the_result(method: str) -> None:
    class Broken(Observer):
        pass

    def fails(*_args: object, **_more: object) -> None:
        raise BrokenPipeError

    setattr(Broken, method, fails)
    assert not run(FakeServer(), observer=Broken()).failed


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"disabled: true\n", "the flow is disabled (disabled: true)"),
        (b"draft: true\n", "the flow is a draft"),
    ],
)
def test_smoke__disabled_flow_is_skipped_and_reported(line: bytes, reason: str) -> None:
    server = FakeServer(source=SOURCE + line)
    result = run(server, SPEC, written={FLOW: 1})
    assert (result.failed, result.runs[0].verdict) == (False, SmokeVerdict.SKIPPED)
    assert result.runs[0].reason == reason
    assert "create" not in server.names()
    assert not run(FakeServer(source=SOURCE + b"disabled: false\ndraft: false\n")).failed
    assert run(FakeServer()).count(SmokeVerdict.SKIPPED) == 0


WITH_INPUTS = b"""\
id: work
namespace: company.team
inputs:
  - {id: a, type: INT}
  - {id: region, type: STRING}
  - {id: form, type: FORM, inputs: [{id: x, type: STRING}]}
tasks:
  - {id: a, type: b}
"""


@pytest.mark.parametrize(
    ("source", "given", "words"),
    [
        (WITH_INPUTS, "regoin", "the flow has no input 'regoin': did you mean `region`?"),
        (WITH_INPUTS, "z", "the flow has no input 'z': its inputs are a, form, form.x, region"),
        (SOURCE, "a", "the flow has no input 'a': it has none"),
        (WITH_INPUTS, "form.x", ""),
        (b"not: [a, flow", "a", ""),
    ],
)
def test_smoke__unknown_input_is_an_error(source: bytes, given: str, words: str) -> None:
    """Kestra ignores it, and the test would pass without testing anything."""
    server = FakeServer(source=source)
    (ran,) = run(server, SmokeSpec(FLOW, inputs={given: "1"})).runs
    assert [each.message for each in ran.failures] == ([words] if words else [])
    assert ("create" in server.names()) is not bool(words)


class Interrupting(FakeServer):
    """Goes on until it is killed; ``^C`` is pressed meanwhile."""

    presses = 1
    stubborn = False

    @property
    def executions(self) -> Any:
        calls = super().executions

        def follow(execution_id: str, *, timeout: float | None = None) -> Iterator[Any]:
            yield execution("RUNNING")
            _thread.interrupt_main()
            if not self.stubborn:
                assert wait_for(lambda: len(self.states) > 1)
            while self.stubborn:
                time.sleep(0.1)
            yield self.states[-1]

        def kill(execution_id: str) -> None:
            self.called("kill", execution_id)
            if self.stubborn:
                _thread.interrupt_main()
                return
            self.states.append(execution("KILLED"))

        calls.follow, calls.kill = follow, kill
        return calls


def test_an_interrupt_ends_what_runs_and_begins_nothing_more() -> None:
    notes: list[str] = []

    class Listening(Observer):
        def note(self, message: str) -> None:
            notes.append(message)

    server = Interrupting([execution("RUNNING")])
    result = run(
        server,
        SPEC,
        SmokeSpec(FLOW, "next"),
        settings=SmokeSettings(parallelism=1),
        observer=Listening(),
    )
    assert result.exit_code is ExitCode.INTERRUPTED
    assert [each.verdict for each in result.runs] == [SmokeVerdict.INTERRUPTED] * 2
    assert "delete" in server.names()
    assert notes == ["interrupted: ending the running executions"]


def test_second_interrupt__stops_waiting() -> None:
    server = Interrupting([execution("RUNNING")])
    server.stubborn = True
    (ran,) = run(server).runs
    server.stubborn = False
    assert ran.verdict is SmokeVerdict.INTERRUPTED
    assert ran.execution_id == "e1"
    assert "given up" in ran.failures[0].message


def test_smoke__server_that_kills_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five seconds after ``^C`` the run is over, whatever the server does."""
    monkeypatch.setattr("kestra_sync.smoke.runner.INTERRUPTED_FOR", 0.3)
    hang = threading.Event()

    class Hanging(FakeServer):
        @property
        def executions(self) -> Any:
            calls = super().executions

            def follow(execution_id: str, *, timeout: float | None = None) -> Iterator[Any]:
                yield execution("RUNNING")
                stop.set()
                hang.wait(60)

            def kill(execution_id: str) -> None:
                hang.wait(60)

            calls.follow, calls.kill = follow, kill
            return calls

    stop = threading.Event()
    begun = time.monotonic()
    (ran,) = run(Hanging([execution("RUNNING")]), stop=stop).runs
    hang.set()
    assert time.monotonic() - begun < 30
    assert ran.verdict is SmokeVerdict.INTERRUPTED
    assert "given up" in ran.failures[0].message


def test_interrupt__keeps_an_existing_signal_handler() -> None:
    stop = threading.Event()
    server = FakeServer([execution("RUNNING")], on_follow=stop.set)
    result = run(server, stop=stop)
    assert result.interrupted
    assert "kill" in server.names()


def test_observers_get_the_events_that_they_handle() -> None:
    heard: list[Any] = []

    class Plain(Observer):
        def begin(self, total: int) -> None:
            heard.append(total)

        def done(self, flow_id: FlowId, words: str, *, ok: bool) -> None:
            heard.append((str(flow_id), words, ok))

        def end(self) -> None:
            heard.append("end")

    class Smoke(SmokeObserver):
        def smoke_running(self, index: int, words: str) -> None:
            heard.append((index, words))

    specs = (SmokeSpec(FLOW, "one"), SmokeSpec(FLOW, expect=Expectation(("FAILED",))))
    run(FakeServer(), *specs, settings=SmokeSettings(parallelism=1), observer=Plain())
    assert heard == [
        2,
        ("company.team/work (one)", "passed: SUCCESS", True),
        ("company.team/work", "failed: expected FAILED, got SUCCESS", False),
        "end",
    ]
    heard.clear()
    run(FakeServer(), observer=Smoke())
    assert heard == [(0, "SUCCESS")]


def test_no_test_at_all_is_neither_red_nor_slow() -> None:
    result = run_smoke(FakeServer(), (), None, {}, settings=SmokeSettings())
    assert (result.runs, result.exit_code) == ((), ExitCode.OK)
