"""Golden files of smoke tests and single executions."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

from kestra_sync.client.execution import Execution, TaskRun
from kestra_sync.commands.run_flow import RunResult
from kestra_sync.executions.cleanup import Cleanup
from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.logs import LogLine
from kestra_sync.model import FlowId, Position
from kestra_sync.report.envelope import dump
from kestra_sync.report.execution_json import ran_json, smoke_json
from kestra_sync.report.execution_text import deleted_lines, log_line_text, ran_lines
from kestra_sync.report.junit import Case, CaseStatus, Suite, junit_suites
from kestra_sync.report.junit_report import smoke_cases
from kestra_sync.report.lines import Line, write
from kestra_sync.report.smoke_text import smoke_header, smoke_lines
from kestra_sync.safe.secrets import Masker
from kestra_sync.smoke.result import FailureKind, SmokeFailure, SmokeResult, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import SmokeSpec
from tests.support.golden import check_golden

SALES, OPS = "company.sales", "company.ops"
SERVER = "http://localhost:8080 (Kestra 1.3.25, tenant main)"
KEPT, GONE = Cleanup(kept=True), Cleanup(kept=False, deleted=1)


def spec(namespace: str, name: str, title: str | None = None, line: int = 1) -> SmokeSpec:
    path = f"flows/{namespace.rpartition('.')[2]}/{name}.smoke.yaml"
    return SmokeSpec(FlowId(namespace, name), title, path=path, position=Position(line, 3))


def link(run: str) -> str:
    return f"http://localhost:8080/ui/main/executions/x/y/{run}"


PASSED = SmokeRun(
    spec(SALES, "load_orders"),
    SmokeVerdict.PASSED,
    "e1",
    link("e1"),
    8,
    "SUCCESS",
    1.24,
    cleanup=GONE,
)
FAILED = SmokeRun(
    spec(SALES, "report", "end of month", 12),
    SmokeVerdict.FAILED,
    "e2",
    link("e2"),
    12,
    "FAILED",
    75.0,
    (
        SmokeFailure(FailureKind.STATE, "expected SUCCESS, got FAILED"),
        SmokeFailure(FailureKind.OUTPUT, "output pages: expected 3, got nothing"),
    ),
    Culprit(("send", "company.platform/notify", "post"), "FAILED", "no route to mail\nat Mail:12"),
    (
        LogLine("12:30:01.250", "INFO", "build", "page 1 of 3"),
        LogLine("12:30:01.310", "ERROR", "post", "no route to mail"),
        LogLine("", "ERROR", "post", "at \x1b[2J Mail:12"),
        LogLine("12:30:01.320", "WARN", None, "giving up"),
    ),
    KEPT,
)
TIMED_OUT = SmokeRun(
    spec(OPS, "approve"),
    SmokeVerdict.TIMED_OUT,
    "e3",
    link("e3"),
    1,
    "PAUSED",
    20.0,
    (
        SmokeFailure(
            FailureKind.TIMEOUT, "not finished after 20 s, PAUSED until it is resumed: killed"
        ),
    ),
    Culprit(("wait",), "PAUSED"),
    cleanup=replace(GONE, problems=("execution e9 could not be deleted: 500",)),
)
ERROR = SmokeRun(
    spec(OPS, "gone"),
    SmokeVerdict.ERROR,
    failures=(SmokeFailure(FailureKind.START, "no such flow on the server"),),
)
EARLY = SmokeRun(
    spec(OPS, "early"),
    SmokeVerdict.FAILED,
    "e5",
    link("e5"),
    2,
    "FAILED",
    0.3,
    (SmokeFailure(FailureKind.STATE, "expected SUCCESS, got FAILED"),),
    Culprit((), "FAILED", "Failed to render output values"),
    cleanup=KEPT,
)
SKIPPED = SmokeRun(spec(OPS, "cleanup"), SmokeVerdict.SKIPPED)
INTERRUPTED = SmokeRun(
    spec(OPS, "long"), SmokeVerdict.INTERRUPTED, "e4", link("e4"), 3, "KILLED", 2.0, cleanup=GONE
)

GREEN = SmokeResult((PASSED, SKIPPED), "3f9a1b2c4d5e", "1a2b3c4d5e6f7a8b", 1.4)
RED = SmokeResult((PASSED, FAILED, TIMED_OUT, ERROR, EARLY, SKIPPED), "3f9a1b2c4d5e", None, 76.2)
STOPPED = SmokeResult((PASSED, INTERRUPTED), "3f9a1b2c4d5e", None, 4.0, interrupted=True)
EMPTY = SmokeResult((), "3f9a1b2c4d5e", None, 0.0)


def text(lines: Iterable[Line], *, colour: bool = False) -> str:
    stream = io.StringIO()
    write(lines, stream, colour=colour)
    return stream.getvalue()


def verdict(result: SmokeResult, *, colour: bool = False) -> str:
    return text([smoke_header(result, SERVER), *smoke_lines(result)], colour=colour)


def test_the_verdict() -> None:
    check_golden("smoke_green.txt", verdict(GREEN))
    check_golden("smoke_red.txt", verdict(RED))
    check_golden("smoke_red.ansi.txt", verdict(RED, colour=True))
    check_golden("smoke_interrupted.txt", verdict(STOPPED))
    check_golden("smoke_none.txt", verdict(EMPTY))


def test_the_verdict_for_machines() -> None:
    check_golden("smoke_red.json", dump(smoke_json(RED)))
    cases = [*smoke_cases(RED), *smoke_cases(STOPPED)]
    name = "kestra-sync smoke"
    check_golden("smoke_red.xml", junit_suites(name, [Suite(name, cases, RED.seconds)]))


def test_junit__survives_every_character() -> None:
    awkward = "a\x00b\x1b[31m <&>\"' ü 🚀 \ud800 \ufffe ]]>"
    case = Case(awkward, awkward, CaseStatus.ERROR, 0.5, awkward, awkward, awkward, "f.yaml", 3)
    check_golden("junit_awkward.xml", junit_suites(awkward, [Suite(awkward, [case])]))


RUN = Execution(
    "6mwdx568V6fpzDxZUSpAw3",
    FlowId(SALES, "load"),
    "SUCCESS",
    revision=3,
    labels={"a": "b"},
    outputs={"kept": 3, "token": "password=hunter22", "pin": 123456, "all": ["x", {"y": None}]},
    task_runs=(
        TaskRun("r1", "each", "SUCCESS", attempts=1, value="one"),
        TaskRun("r2", "b", "FAILED"),
    ),
    start="2030-01-31T12:00:00Z",
    end="2030-01-31T12:00:01Z",
    duration="PT1.5S",
)
MASKER = Masker(["123456"], {})


def ran(execution: Execution, *, waited: bool = True, failed: bool = False) -> RunResult:
    made = RunResult(execution, link("x"), MASKER, waited)
    return replace(made, culprit=FAILED.culprit, log=FAILED.log) if failed else made


def test_a_run() -> None:
    runs = (
        ran(RUN),
        ran(replace(RUN, state="WARNING", outputs={})),
        ran(replace(RUN, state="FAILED", outputs={}), failed=True),
        ran(replace(RUN, state="PAUSED", outputs={}, duration=None)),
        ran(replace(RUN, state="RUNNING", outputs={}, duration=None)),
        ran(replace(RUN, state="CREATED", outputs={}, revision=None), waited=False),
    )
    check_golden("run.txt", "\n".join(text(ran_lines(each)) for each in runs))
    check_golden("run.json", dump(ran_json(runs[0])))
    assert [each.exit_code for each in runs] == [0, 0, 1, 1, 1, 0]


def test_logs_and_deletions() -> None:
    lines = [log_line_text(each) for each in FAILED.log]
    check_golden("logs.txt", text(lines))
    check_golden("executions_deleted.txt", text(deleted_lines({"e1": None, "e2": "no such thing"})))
