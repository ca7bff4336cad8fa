"""Smoke tests on a real Kestra: every possible result of an execution."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.model import FlowId
from kestra_sync.smoke.result import FailureKind, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import Expectation, Keep, SmokeSpec
from tests.support.server import Http, Server
from tests.support.smoke import FAIL, LOG, PAUSE, SLEEP, SUBFLOW, Bench

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


def test_smoke__runs_the_deployed_revision_and_checks_its_results(bench: Bench) -> None:
    """Nothing is left behind, unless a test asks for that."""
    flow = bench.flow("fine", OK)
    bench.client.flows.update(flow, bench.client.flows.get(flow).source.replace(b": 42", b": 43"))
    pinned = bench.run(
        SmokeSpec(flow, expect=Expectation(outputs={"answer": 42})), written={flow: 1}
    )
    assert (pinned.runs[0].revision, messages(pinned.runs[0])) == (1, [])
    good = Expectation(
        outputs={"answer": 43}, tasks={"say": ("SUCCESS",)}, logs_match=("all is \\w+",)
    )
    bad = Expectation(
        outputs={"answer": "43", "nothing": 1},
        tasks={"say": ("WARNING",), "never": ("SUCCESS",)},
        logs_match=("^no such text$",),
        logs_no_match=("is well",),
    )
    kept = SmokeSpec(flow, name="kept", labels={"suite": "a:b, c"}, keep=Keep.ALWAYS)
    bench.settings = replace(bench.settings, keep=None)
    passed, failed, labelled = bench.run(
        SmokeSpec(flow, expect=good, keep=Keep.NEVER),
        SmokeSpec(flow, name="bad", expect=bad, keep=Keep.NEVER),
        kept,
    ).runs
    assert (passed.verdict, passed.state, passed.revision, passed.failures) == (
        SmokeVerdict.PASSED,
        "SUCCESS",
        2,
        (),
    )
    assert passed.cleanup is not None
    assert (passed.cleanup.deleted, passed.cleanup.problems) == (1, ())
    assert passed.execution_id is not None
    assert bench.client.logs.get(passed.execution_id) == ()
    assert [each.kind for each in failed.failures] == [
        FailureKind.OUTPUT,
        FailureKind.OUTPUT,
        FailureKind.TASK,
        FailureKind.TASK,
        FailureKind.LOG,
        FailureKind.LOG,
    ]
    assert messages(failed)[0] == 'output answer: expected "43", got 43'
    assert len(bench.left()) == 1
    assert labelled.execution_id is not None
    execution = bench.client.executions.get(labelled.execution_id)
    assert execution.kind == "TEST"
    assert execution.labels["kestra-sync.run"] == bench.settings.run_id
    assert execution.labels["kestra-sync.commit"] == "c0ffee"
    assert execution.labels["suite"] == "a:b, c"


def test_culprit__failed_task_is_found_in_groups_subflows_and_iterations(bench: Bench) -> None:
    """A warning and an expected failure pass on request; all executions are deleted."""
    broken = bench.flow(
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
    shaky = bench.flow(
        "shaky",
        f"""\
        tasks:
          - id: allowed
            type: io.kestra.plugin.core.flow.AllowFailure
            tasks:
              - {{id: burn, type: {FAIL}, errorMessage: it burns a little}}
        """,
    )
    inner = bench.flow(
        "inner", f"tasks:\n  - {{id: burn, type: {FAIL}, errorMessage: deep down it burns}}\n"
    )
    outer = bench.flow(
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
    older = bench.http.server.release < (2, 0)
    loop = bench.flow(
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
    group, warning, called, iteration, *allowed = bench.run(
        *(SmokeSpec(each) for each in (broken, shaky, outer, loop)),
        SmokeSpec(shaky, name="allowed", expect=Expectation(("SUCCESS", "WARNING"))),
        SmokeSpec(inner, name="expected", expect=Expectation(states=("FAILED",))),
    ).runs
    assert group.verdict is SmokeVerdict.FAILED
    assert messages(group) == ["expected SUCCESS, got FAILED"]
    assert messages(warning) == ["expected SUCCESS, got WARNING"]
    assert "still fine" in [line.text for line in group.log]
    deep = (f"{bench.namespace}/inner", "burn")
    culprits = [run.culprit for run in (group, warning, called, iteration)]
    assert [(each.chain, each.error) for each in culprits if each is not None] == [
        (("burn",), "it burns"),
        (("burn",), "it burns a little"),
        (("call", *deep), "deep down it burns"),
        (("call[a]", *deep) if older else ("each[a]", "call", *deep), "deep down it burns"),
    ]
    assert called.cleanup is not None
    assert called.cleanup.deleted == 2
    assert [run.verdict for run in allowed] == [SmokeVerdict.PASSED] * 2
    assert bench.left() == []


def test_cleanup__loops_and_late_tasks_leave_nothing(bench: Bench) -> None:
    """On 2.0, each iteration is an execution, in addition to the subflow that it calls.

    Tasks after the end do not bring an execution back.
    """
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
    epilogue = bench.flow(
        "epilogue",
        f"""\
        tasks:
          - {{id: say, type: {LOG}, message: said}}
        afterExecution:
          - {{id: nap, type: {SLEEP}, duration: PT1S}}
          - {{id: bye, type: {LOG}, message: bye}}
        """,
    )
    runs = bench.run(SmokeSpec(flow), SmokeSpec(epilogue)).runs
    assert [run.verdict for run in runs] == [SmokeVerdict.PASSED] * 2
    assert runs[0].cleanup is not None
    assert runs[0].cleanup.deleted == (3 if older else 5)
    time.sleep(1.5)
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
    given = SmokeSpec(needy, name="given", inputs={"who": "me"})
    needs, is_off, is_gone, passed = bench.run(
        SmokeSpec(needy), SmokeSpec(off), SmokeSpec(gone), given
    ).runs
    assert passed.verdict is SmokeVerdict.PASSED
    assert (is_off.verdict, is_off.failures) == (SmokeVerdict.SKIPPED, ())
    assert "disabled" in is_off.reason
    runs = (needs, is_gone)
    assert {run.verdict for run in runs} == {SmokeVerdict.ERROR}
    assert {failure.kind for run in runs for failure in run.failures} == {FailureKind.START}
    missing, absent = (run.failures[0].message for run in runs)
    assert missing.startswith("could not be started: ")
    assert "who" in missing
    assert absent == "no such flow on the server"


def test_log__is_complete_and_masked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand lines; neither secrets nor commands to the runner of a job."""
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-of-the-job")
    lines = "".join(f'      - "line {number}"\n' for number in range(1, 1001))
    chatty = bench.flow("chatty", f"tasks:\n  - id: talk\n    type: {LOG}\n    message:\n{lines}")
    leaky = bench.flow(
        "leaky",
        f"""\
        tasks:
          - id: leak
            type: {LOG}
            message: "::error::\\e[31m got s3cr3t-of-the-job ##[add-path]/evil"
          - {{id: burn, type: {FAIL}, errorMessage: "password=hunter22 is wrong"}}
        """,
    )
    expect = Expectation(
        logs_match=("^line 1$", "^line 1000$"), logs_no_match=("^line 1001$", "^line 500$")
    )
    long, masked = bench.one(chatty, expect=expect), bench.one(leaky)
    assert messages(long) == ["a log message of task talk matches ^line 500$: line 500"]
    assert [line.text for line in long.log][-1] == "line 1000"
    assert len(long.log) == 12
    assert masked.culprit is not None
    assert masked.culprit.error == "password=*** is wrong"
    assert r"\x3a:error:: got *** ##\x5badd-path]/evil" in [line.text for line in masked.log]
