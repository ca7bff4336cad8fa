"""Smoke tests on a real Kestra: every possible result of an execution."""

from __future__ import annotations

import _thread
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.model import FlowId
from kestra_sync.smoke.result import FailureKind, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import Expectation, Keep, SmokeSpec, When
from tests.support.server import Http, Server
from tests.support.smoke import FAIL, LOG, PAUSE, SLEEP, SUBFLOW, Bench, WhenRunning

pytestmark = pytest.mark.versions

OK = f"""\
tasks:
  - id: say
    type: {LOG}
    message: all is well
outputs:
  - id: answer
    type: INT
    value: 42
"""


@pytest.fixture
def bench(
    server: Server, http: Http, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    with KestraClient(env_file=None) as client:
        yield Bench(client, namespace, http)


def messages(run: SmokeRun) -> list[str]:
    return [each.message for each in run.failures]


def test_success_leaves_nothing_behind(bench: Bench) -> None:
    run = bench.one(
        bench.flow("fine", OK),
        expect=Expectation(
            outputs={"answer": 42}, tasks={"say": ("SUCCESS",)}, logs_match=("all is \\w+",)
        ),
    )
    assert (run.verdict, run.state, run.revision, run.failures) == (
        SmokeVerdict.PASSED,
        "SUCCESS",
        1,
        (),
    )
    assert run.cleanup is not None
    assert (run.cleanup.deleted, run.cleanup.problems) == (1, ())
    assert bench.left() == []
    assert run.execution_id is not None
    assert bench.client.logs.get(run.execution_id) == ()


def test_an_execution_is_of_kind_test_and_carries_commit_and_run(bench: Bench) -> None:
    bench.settings = replace(bench.settings, keep=Keep.ALWAYS)
    run = bench.one(bench.flow("labelled", OK), labels={"suite": "a:b, c"})
    assert run.execution_id is not None
    execution = bench.client.executions.get(run.execution_id)
    assert execution.kind == "TEST"
    assert execution.labels["kestra-sync.run"] == bench.settings.run_id
    assert execution.labels["kestra-sync.commit"] == "c0ffee"
    assert execution.labels["suite"] == "a:b, c"


def test_the_deployed_revision_is_run_even_if_it_is_not_the_newest(bench: Bench) -> None:
    flow = bench.flow("pinned", OK)
    bench.client.flows.update(flow, bench.client.flows.get(flow).source.replace(b": 42", b": 43"))
    spec = SmokeSpec(flow, expect=Expectation(outputs={"answer": 42}))
    assert bench.run(spec, written={flow: 1}).runs[0].revision == 1
    run = bench.run(spec).runs[0]
    assert (run.revision, messages(run)) == (2, ["output answer: expected 42, got 43"])


@pytest.mark.once
def test_smoke__only_written_flows_and_their_callers_run(bench: Bench) -> None:
    called, caller = bench.flow("called", OK), bench.flow("caller", OK)
    other, always = bench.flow("other", OK), bench.flow("always", OK)
    specs = [SmokeSpec(caller), SmokeSpec(other), SmokeSpec(always, when=When.ALWAYS)]
    result = bench.run(*specs, written={called: 1}, calls={caller: (called,)})
    assert [run.verdict for run in result.runs] == [
        SmokeVerdict.PASSED,
        SmokeVerdict.SKIPPED,
        SmokeVerdict.PASSED,
    ]
    assert not result.failed


def test_culprit__failed_task_is_reported_with_its_error(bench: Bench) -> None:
    flow = bench.flow(
        "broken",
        f"""\
        tasks:
          - id: group
            type: io.kestra.plugin.core.flow.Sequential
            tasks:
              - {{id: before, type: {LOG}, message: still fine}}
              - {{id: burn, type: {FAIL}, errorMessage: it burns}}
        errors:
          - {{id: handler, type: {LOG}, message: handling it}}
        """,
    )
    run = bench.one(flow)
    assert run.verdict is SmokeVerdict.FAILED
    assert messages(run) == ["expected SUCCESS, got FAILED"]
    assert run.culprit is not None
    assert (run.culprit.chain, run.culprit.error) == (("burn",), "it burns")
    assert "still fine" in [line.text for line in run.log]
    assert bench.left() == []


@pytest.mark.once
def test_smoke__expected_failure_passes(bench: Bench) -> None:
    flow = bench.flow("drill", f"tasks:\n  - {{id: burn, type: {FAIL}}}\n")
    assert bench.one(flow, expect=Expectation(states=("FAILED",))).verdict is SmokeVerdict.PASSED


@pytest.mark.once
def test_a_warning_passes_only_on_request(bench: Bench) -> None:
    flow = bench.flow(
        "shaky",
        f"""\
        tasks:
          - id: allowed
            type: io.kestra.plugin.core.flow.AllowFailure
            tasks:
              - {{id: burn, type: {FAIL}, errorMessage: it burns a little}}
        """,
    )
    run = bench.one(flow)
    assert messages(run) == ["expected SUCCESS, got WARNING"]
    assert run.culprit is not None
    assert run.culprit.chain == ("burn",)
    assert (
        bench.one(flow, expect=Expectation(("SUCCESS", "WARNING"))).verdict is SmokeVerdict.PASSED
    )


def test_culprit__failed_subflow_is_followed_and_deleted(bench: Bench) -> None:
    bench.flow(
        "inner", f"tasks:\n  - {{id: burn, type: {FAIL}, errorMessage: deep down it burns}}\n"
    )
    flow = bench.flow(
        "outer",
        f"""\
        tasks:
          - id: call
            type: {SUBFLOW}
            namespace: $NS
            flowId: inner
            wait: true
            transmitFailed: true
        """,
    )
    run = bench.one(flow)
    assert run.culprit is not None
    assert run.culprit.chain == ("call", f"{bench.namespace}/inner", "burn")
    assert run.culprit.error == "deep down it burns"
    assert run.cleanup is not None
    assert run.cleanup.deleted == 2
    assert bench.left() == []


def test_the_executions_of_a_loop_are_deleted_too(bench: Bench) -> None:
    """On 2.0, each iteration is an execution, in addition to the subflow that it calls."""
    bench.flow("item", OK)
    older = bench.http.server.release < (2, 0)
    flow = bench.flow(
        "loop",
        f"""\
        tasks:
          - id: file
            type: io.kestra.plugin.core.storage.Write
            extension: .jsonl
            content: |
              {{"n": 1}}
              {{"n": 2}}
          - id: each
            type: io.kestra.plugin.core.flow.ForEachItem
            items: "{{{{ outputs.file.uri }}}}"
            batch: {{rows: 1}}
            namespace: $NS
            flowId: item
            wait: true
          - {{id: done, type: {LOG}, message: done}}
        """
        if older
        else f"""\
        tasks:
          - id: each
            type: io.kestra.plugin.core.flow.Loop
            values: [1, 2]
            tasks:
              - {{id: call, type: {SUBFLOW}, namespace: $NS, flowId: item}}
          - {{id: done, type: {LOG}, message: done}}
        """,
    )
    run = bench.one(flow)
    assert run.verdict is SmokeVerdict.PASSED
    assert run.cleanup is not None
    assert run.cleanup.deleted == (3 if older else 5)
    assert bench.left() == []


def test_culprit__failed_iteration_is_followed(bench: Bench) -> None:
    older = bench.http.server.release < (2, 0)
    bench.flow("inner", f"tasks:\n  - {{id: burn, type: {FAIL}, errorMessage: it burns}}\n")
    flow = bench.flow(
        "loop",
        f"""\
        tasks:
          - id: each
            type: io.kestra.plugin.core.flow.{"ForEach" if older else "Loop"}
            values: ["a"]
            tasks:
              - {{id: call, type: {SUBFLOW}, namespace: $NS, flowId: inner}}
        """,
    )
    run = bench.one(flow)
    assert run.culprit is not None
    inner = (f"{bench.namespace}/inner", "burn")
    assert run.culprit.chain == (("call[a]", *inner) if older else ("each[a]", "call", *inner))
    assert run.culprit.error == "it burns"
    assert bench.left() == []


def test_smoke__execution_is_killed_at_its_timeout(bench: Bench) -> None:
    """Paused, asleep, behind another one: all at once, to save time."""
    paused = bench.flow("paused", f"tasks:\n  - {{id: wait, type: {PAUSE}}}\n")
    asleep = bench.flow("asleep", f"tasks:\n  - {{id: nap, type: {SLEEP}, duration: PT1M}}\n")
    crowded = bench.flow(
        "crowded",
        f"""\
        concurrency: {{limit: 1, behavior: QUEUE}}
        tasks:
          - {{id: nap, type: {SLEEP}, duration: PT1M}}
        """,
    )
    first = bench.client.executions.create(crowded)
    for seen in bench.client.executions.follow(first.id, timeout=20):
        if seen.state == "RUNNING":
            break
    # An execution that is timed out is no more kept than others, if its spec says so.
    specs = [SmokeSpec(each, timeout=4, keep=Keep.NEVER) for each in (paused, asleep, crowded)]
    bench.settings = replace(bench.settings, keep=None)
    runs = bench.run(*specs).runs
    bench.client.executions.delete(first.id)
    assert [run.verdict for run in runs] == [SmokeVerdict.TIMED_OUT] * 3
    assert [messages(run) for run in runs] == [
        ["not finished after 4 s, PAUSED until it is resumed: killed"],
        ["not finished after 4 s, still RUNNING: killed"],
        ["not finished after 4 s, QUEUED behind other executions of its flow: killed"],
    ]
    assert [run.culprit and run.culprit.chain for run in runs] == [("wait",), ("nap",), None]
    assert set(bench.left()) <= {"crowded"}


def test_start__refused_execution_shows_the_reason(bench: Bench) -> None:
    needy = bench.flow(
        "needy",
        f"inputs:\n  - {{id: who, type: STRING}}\ntasks:\n  - {{id: a, type: {LOG}, message: a}}\n",
    )
    off = bench.flow(
        "switched_off", f"disabled: true\ntasks:\n  - {{id: a, type: {LOG}, message: a}}\n"
    )
    gone = FlowId(bench.namespace, "gone")
    needs, is_off, is_gone = bench.run(SmokeSpec(needy), SmokeSpec(off), SmokeSpec(gone)).runs
    assert (is_off.verdict, is_off.failures) == (SmokeVerdict.SKIPPED, ())
    assert "disabled" in is_off.reason
    runs = (needs, is_gone)
    assert {run.verdict for run in runs} == {SmokeVerdict.ERROR}
    assert {failure.kind for run in runs for failure in run.failures} == {FailureKind.START}
    missing, absent = (run.failures[0].message for run in runs)
    assert missing.startswith("could not be started: ")
    assert "who" in missing
    assert absent == "no such flow on the server"
    assert bench.one(needy, inputs={"who": "me"}).verdict is SmokeVerdict.PASSED


def test_outputs_tasks_and_logs_that_differ_are_distinguished(bench: Bench) -> None:
    run = bench.one(
        bench.flow("other", OK),
        expect=Expectation(
            outputs={"answer": "42", "nothing": 1},
            tasks={"say": ("WARNING",), "never": ("SUCCESS",)},
            logs_match=("^no such text$",),
            logs_no_match=("is well",),
        ),
    )
    assert [each.kind for each in run.failures] == [
        FailureKind.OUTPUT,
        FailureKind.OUTPUT,
        FailureKind.TASK,
        FailureKind.TASK,
        FailureKind.LOG,
        FailureKind.LOG,
    ]
    assert messages(run)[0] == 'output answer: expected "42", got 42'
    assert bench.left() == []


def test_a_thousand_log_lines(bench: Bench) -> None:
    lines = "".join(f'      - "line {number}"\n' for number in range(1, 1001))
    flow = bench.flow("chatty", f"tasks:\n  - id: talk\n    type: {LOG}\n    message:\n{lines}")
    run = bench.one(
        flow,
        expect=Expectation(
            logs_match=("^line 1$", "^line 1000$"), logs_no_match=("^line 1001$", "^line 500$")
        ),
    )
    assert messages(run) == ["a log message of task talk matches ^line 500$: line 500"]
    assert [line.text for line in run.log][-1] == "line 1000"
    assert len(run.log) == 12


@pytest.mark.once
def test_secrets_and_commands_do_not_get_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-of-the-job")
    flow = bench.flow(
        "leaky",
        f"""\
        tasks:
          - id: leak
            type: {LOG}
            message: "::error::\\e[31m got s3cr3t-of-the-job ##[add-path]/evil"
          - {{id: burn, type: {FAIL}, errorMessage: "password=hunter22 is wrong"}}
        """,
    )
    run = bench.one(flow)
    assert run.culprit is not None
    assert run.culprit.error == "password=*** is wrong"
    assert r"\x3a:error:: got *** ##\x5badd-path]/evil" in [line.text for line in run.log]


@pytest.mark.once
@pytest.mark.parametrize("keep", list(Keep))
def test_executions_are_kept_as_asked(bench: Bench, keep: Keep) -> None:
    bench.settings = replace(bench.settings, keep=None)
    good = bench.flow("good", OK)
    bad = bench.flow("bad", f"tasks:\n  - {{id: burn, type: {FAIL}}}\n")
    bench.run(SmokeSpec(good, keep=keep), SmokeSpec(bad, keep=keep))
    kept = {Keep.NEVER: set(), Keep.ON_FAILURE: {"bad"}, Keep.ALWAYS: {"good", "bad"}}
    assert set(bench.left()) == kept[keep]


def test_interrupt__kills_and_deletes_running_executions(bench: Bench) -> None:
    flow = bench.flow("endless", f"tasks:\n  - {{id: nap, type: {SLEEP}, duration: PT1M}}\n")
    bench.settings = replace(bench.settings, keep=None, parallelism=1)
    press = WhenRunning("RUNNING, task nap", _thread.interrupt_main)
    result = bench.run(SmokeSpec(flow), SmokeSpec(flow, name="next"), observer=press)
    assert result.interrupted
    assert result.exit_code == 130
    assert [run.verdict for run in result.runs] == [SmokeVerdict.INTERRUPTED] * 2
    assert [run.execution_id is None for run in result.runs] == [False, True]
    assert bench.left() == []


def test_tasks_after_the_end_do_not_bring_an_execution_back(bench: Bench) -> None:
    flow = bench.flow(
        "epilogue",
        f"""\
        tasks:
          - {{id: say, type: {LOG}, message: said}}
        afterExecution:
          - {{id: nap, type: {SLEEP}, duration: PT1S}}
          - {{id: bye, type: {LOG}, message: bye}}
        """,
    )
    assert bench.one(flow).verdict is SmokeVerdict.PASSED
    time.sleep(1.5)
    assert bench.left() == []


@pytest.mark.once
def test_all_run_at_once(bench: Bench) -> None:
    flow = bench.flow("nap", f"tasks:\n  - {{id: nap, type: {SLEEP}, duration: PT2S}}\n")
    result = bench.run(*(SmokeSpec(flow, name=str(number)) for number in range(6)))
    assert not result.failed
    assert result.seconds < 11  # one after the other: twelve at least
