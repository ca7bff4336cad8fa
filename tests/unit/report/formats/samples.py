"""Sample reports from results of the commands, without a server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import requests

from kestra_sync.apply.run import ChangeStatus, Done, Outcome, Restored, RollbackStatus
from kestra_sync.client.breakage import describe, remedy_of
from kestra_sync.client.errors import InvalidContent, Unreachable
from kestra_sync.commands.apply import ApplyResult
from kestra_sync.commands.drift import DriftResult
from kestra_sync.commands.plan import PlanResult
from kestra_sync.commands.smoke import SmokeReport
from kestra_sync.commands.validate import ValidateResult
from kestra_sync.errors import ExitCode
from kestra_sync.executions.cleanup import Cleanup
from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.logs import LogLine
from kestra_sync.model import (
    Action,
    Change,
    Desired,
    Diagnostic,
    Document,
    Flow,
    FlowId,
    Plan,
    Position,
    Reason,
    Repository,
    Scope,
    Severity,
    Skipped,
    Target,
)
from kestra_sync.plan.guards import check_guards
from kestra_sync.plan.refusals import GuardInput, Refusal
from kestra_sync.repo.text import missing_keys
from kestra_sync.report.collect import (
    of_apply,
    of_drift,
    of_failure,
    of_plan,
    of_smoke,
    of_validate,
)
from kestra_sync.report.report import Report
from kestra_sync.settings import Limit, Settings
from kestra_sync.smoke.result import FailureKind, SmokeFailure, SmokeResult, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import SmokeSpec
from tests.support.sources import log_flow, subflow

TARGET = Target("http://localhost:8080", "main", "prod")

#: Each of these is markup, a link, a command or a trick somewhere.
HOSTILE = (
    "<script>document.documentElement.dataset.owned=1</script>",
    "<img src=http://127.0.0.1:9/x onerror=document.documentElement.dataset.owned=2>",
    "</td></table></details></code></pre></style></script><h1>out</h1>",
    (
        "```\n```diff\n````` @octocat #1 ~label !2 GH-3 owner/repo#4"
        " https://evil.example www.evil.example"
    ),
    "::error file=x::owned\n::add-mask::x\n##[error]owned\r::stop-commands::t%0A%25",
    (
        "a|b \\| `c` **d** _e_ ~~f~~ [g](http://evil.example)"
        " ![h](http://evil.example/i.png) <!-- j -->"
    ),
    (
        "\x1b]0;title\x07\x1b[2J\u202egnp.exe\u2066\u2028\ufeff\x00"
        " &lt;b&gt; &amp; {{ x }} {% y %} ${z}"
    ),
    "/close\n> quote\n# heading\n- [ ] task\n1. one\n---\n]]> <?xml?> <!DOCTYPE x>",
)


def desired(source: str, namespace: str, flow_id: str, path: str, line: int = 1) -> Desired:
    """A flow of Git."""
    document = Document(path, 0, line, source.encode())
    return Desired(Flow(FlowId(namespace, flow_id), document), document.data)


def changed(
    action: Action,
    reason: Reason,
    name: str,
    before: str | None = None,
    after: str | None = None,
    *,
    path: str | None = None,
    base: str | None = None,
    revision: int | None = None,
    moved_from: Change | None = None,
) -> Change:
    """A change of a flow of the namespace ``company.sales``, unless ``name`` has one of its own."""
    namespace, _, flow_id = name.rpartition("/")
    namespace = namespace or "company.sales"
    where = path or f"flows/{flow_id}.yaml"
    return Change(
        action,
        reason,
        FlowId(namespace, flow_id),
        where,
        None if before is None else before.encode(),
        None if after is None else after.encode(),
        None if after is None else desired(after, namespace, flow_id, where),
        None if base is None else base.encode(),
        revision,
        moved_from,
    )


def _changes() -> tuple[Change, ...]:
    report = log_flow("company.sales", "report", "Report ready", "description: Every morning.\n")
    edited = report.replace("Report ready", "Report for {{ trigger.date }} ready")
    cleanup = log_flow("company.ops", "cleanup", "remove what is old")
    moved = changed(
        Action.DELETE,
        Reason.MOVED,
        "company.old/archive",
        log_flow("company.old", "archive"),
        revision=4,
    )
    return (
        changed(
            Action.CREATE,
            Reason.NEW,
            "load_orders",
            after=subflow("company.sales", "load_orders", "notify", "company.platform"),
        ),
        changed(Action.UPDATE, Reason.CHANGED, "report", report, edited, revision=7),
        changed(
            Action.UPDATE,
            Reason.DRIFT,
            "company.ops/cleanup",
            cleanup.replace("is old", "is there"),
            cleanup,
            base=cleanup,
            revision=3,
        ),
        changed(
            Action.MOVE,
            Reason.MOVED,
            "company.ops/archive",
            after=log_flow("company.ops", "archive"),
            moved_from=moved,
        ),
        changed(
            Action.DELETE,
            Reason.REMOVED,
            "old_report",
            log_flow("company.sales", "old_report"),
            revision=12,
        ),
        changed(
            Action.NONE,
            Reason.FOREIGN,
            "company.ops/foreign",
            log_flow("company.ops", "foreign"),
        ),
    )


WARNING = Diagnostic(
    "flows/report.yaml",
    Position(5, 12),
    Severity.WARNING,
    "deprecated-type",
    "the type io.kestra.core.tasks.log.Log is deprecated",
    "use io.kestra.plugin.core.log.Log",
    FlowId("company.sales", "report"),
)
ERROR = Diagnostic(
    "flows/broken.yaml",
    Position(3, 1),
    Severity.ERROR,
    "yaml-syntax",
    "mapping values are not allowed here",
)
OF_FLOW = Diagnostic(
    "flows/load_orders.yaml",
    Position(4, 5),
    Severity.ERROR,
    "unknown-property",
    "unknown property `mesage` of task `main`",
    "did you mean `message`?",
    FlowId("company.sales", "load_orders"),
)


def repository(changes: tuple[Change, ...] = (), source: str = "flows") -> Repository:
    """What Git holds, with those of ``changes``."""
    flows = [each.desired.flow for each in changes if each.desired is not None]
    notify = desired(
        log_flow("company.platform", "notify"), "company.platform", "notify", "flows/notify.yaml"
    )
    return Repository(
        source,
        len(flows) + 2,
        (*flows, notify.flow),
        (Skipped("flows/values.yaml", 1, missing_keys(["id", "namespace", "tasks"])),),
        (),
    )


def planned(
    changes: tuple[Change, ...] | None = None,
    *,
    diagnostics: tuple[Diagnostic, ...] = (WARNING,),
    refusals: tuple[Refusal, ...] = (),
    partial: bool = False,
    environment: str | None = "prod",
) -> PlanResult:
    """The result of ``plan``."""
    changes = _changes() if changes is None else changes
    files = repository(changes)
    plan = Plan(
        replace(TARGET, environment=environment),
        "1.3.25",
        "flows",
        Scope(("company",)),
        len(files.flows),
        changes,
        210,
        partial,
    )
    held = {each.flow_id: Desired(each, each.document.data) for each in files.flows}
    return PlanResult(files, plan, diagnostics, held, refusals)


UNRECORDED = (
    "the inventory could not be written (PUT /namespaces/company/kv/kestra-sync.acme.prod: 500);"
    " run apply again to complete it"
)


def _refusals(plan: Plan) -> tuple[Refusal, ...]:
    """What the guards say of the plan where 5 flows are owned."""
    settings = Settings(delete_limit=Limit(30))
    return check_guards(plan, GuardInput(owned=5, live=6, settings=settings))


def _outcomes(result: PlanResult) -> tuple[Outcome, ...]:
    assert result.plan is not None
    invalid = InvalidContent(
        422, "PUT", "/flows/company.sales/report", "Invalid cron expression: 'x'"
    )
    edited = "was edited on the server since the plan was created"
    statuses = (
        (ChangeStatus.APPLIED, 1, "", None),
        (ChangeStatus.FAILED, None, str(invalid), invalid),
        (ChangeStatus.CONFLICT, 5, edited, None),
        (ChangeStatus.NOT_ATTEMPTED, None, "", None),
        (ChangeStatus.NOT_ATTEMPTED, None, "", None),
    )
    return tuple(
        Outcome(change, status, revision, message, error)
        for change, (status, revision, message, error) in zip(
            result.plan.writes, statuses, strict=True
        )
    )


def smoke_result() -> SmokeResult:
    """A test of each kind."""
    flow = FlowId("company.sales", "report")
    spec = SmokeSpec(flow, path="flows/report.smoke.yaml", position=Position(2, 1))
    return SmokeResult(
        (
            SmokeRun(spec, SmokeVerdict.PASSED, "e1", None, 8, "SUCCESS", 1.25),
            SmokeRun(
                replace(spec, name="no orders"),
                SmokeVerdict.FAILED,
                "e2",
                "http://localhost:8080/ui/main/executions/company.sales/report/e2",
                8,
                "FAILED",
                2.5,
                (SmokeFailure(FailureKind.STATE, "expected SUCCESS, got FAILED"),),
                Culprit(("send", "notify", "post"), "FAILED", "connection refused"),
                (LogLine("12:00:01", "ERROR", "post", "connection refused"),),
                Cleanup(kept=True),
            ),
            SmokeRun(replace(spec, name="nothing"), SmokeVerdict.SKIPPED),
        ),
        "run1",
        "0123456789abcdef",
        4.2,
    )


def _conflict() -> Change:
    base = log_flow("company.ops", "cleanup", "remove what is old")
    return changed(
        Action.UPDATE,
        Reason.CONFLICT,
        "company.ops/cleanup",
        base.replace("old", "there"),
        base.replace("old", "older"),
        base=base,
        revision=3,
    )


def reports() -> dict[str, Report]:
    """A report of each command, and of each way in which it can end, by name."""
    plan = planned()
    no_plan = PlanResult(repository(), None, (ERROR,), {})
    assert plan.plan is not None
    drifted = tuple(each for each in plan.plan.changes if each.reason is Reason.DRIFT)
    deleted = changed(
        Action.CREATE, Reason.RECREATED, "gone", after=log_flow("company.sales", "gone")
    )
    outcomes = _outcomes(plan)
    good = tuple(
        replace(each, status=ChangeStatus.APPLIED, message="", error=None) for each in outcomes
    )
    files = repository(plan.plan.changes)
    checked = ValidateResult(
        files, (ERROR, OF_FLOW, WARNING), "http://localhost:8080 (Kestra 1.3.25)"
    )
    left = Restored(
        outcomes[0].change,
        RollbackStatus.LEFT,
        message="it has been edited since (now at revision 2)",
    )
    refused = requests.ConnectionError(ConnectionRefusedError())
    error = Unreachable(f"{TARGET.url}: {describe(refused)}", remedy=remedy_of(refused, TARGET.url))
    return {
        "validate": of_validate(checked),
        "valid": of_validate(ValidateResult(files, (), None)),
        "plan": of_plan(plan, ExitCode.CHANGES),
        "refused": of_plan(
            planned(refusals=_refusals(plan.plan), partial=True, environment=None),
            ExitCode.REFUSED,
        ),
        "invalid": of_plan(no_plan, ExitCode.INVALID, environment="prod"),
        "nothing": of_plan(planned((), diagnostics=()), ExitCode.OK),
        "apply": of_apply(ApplyResult(plan, Done(outcomes, (left,), notes=(UNRECORDED,)))),
        "applied": of_apply(ApplyResult(plan, Done(good))),
        "declined": of_apply(ApplyResult(plan, declined=True)),
        "smoked": of_apply(ApplyResult(plan, Done(good), smoke=smoke_result())),
        "conflict": of_plan(planned((_conflict(),), diagnostics=()), ExitCode.CONFLICT),
        "drift": of_drift(DriftResult(plan, (*drifted, deleted))),
        "no-drift": of_drift(DriftResult(plan, ())),
        "drift-invalid": of_drift(DriftResult(no_plan, ())),
        "smoke": of_smoke(SmokeReport((), smoke_result(), "http://localhost:8080 (Kestra 1.3.25)")),
        "smoke-invalid": of_smoke(SmokeReport((ERROR,))),
        "failure": of_failure("plan", ExitCode.UNREACHABLE, error, error.message, error.remedy),
    }


def hostile() -> Report:
    """A plan in which every text that others can choose is an attack."""
    changes = []
    diagnostics = []
    for number, text in enumerate(HOSTILE):
        block = "".join(f"      {line}\n" for line in text.splitlines())
        before = log_flow("company.sales", f"flow{number}", f"|\n{block}")
        after = before.replace("id: main", "id: other") + f"description: {text!r}\n"
        change = changed(
            Action.UPDATE, Reason.CONFLICT, f"flow{number}", before, after, revision=number
        )
        name = FlowId(f"company.{text}", text)
        changes.append(replace(change, flow_id=name, path=text, base=b"base: " + text.encode()))
        kind = "io.kestra.plugin.core.flow.Subflow"
        call = f"  - {{id: c, type: {kind}, namespace: x, flowId: {json.dumps(text)}}}\n"
        new = log_flow("company.sales", f"new{number}") + call
        changes.append(changed(Action.CREATE, Reason.NEW, f"new{number}", after=new))
        name = FlowId(text, text)
        diagnostics += [
            Diagnostic(text, Position(1, 1), severity, "rule", text, text, name)
            for severity in (Severity.ERROR, Severity.WARNING)
        ]
    refusal = Refusal("rule", HOSTILE[0], HOSTILE[1])
    result = planned(tuple(changes), diagnostics=tuple(diagnostics), refusals=(refusal,))
    files = replace(
        result.repository, source=HOSTILE[3], skipped=(Skipped(HOSTILE[0], 1, HOSTILE[1]),)
    )
    assert result.plan is not None
    target = Target(HOSTILE[0], HOSTILE[2], HOSTILE[5])
    plan = replace(result.plan, target=target, server_version=HOSTILE[1], source=HOSTILE[3])
    result = replace(result, repository=files, plan=plan)
    return replace(
        of_plan(result, ExitCode.REFUSED),
        notes=HOSTILE,
        environment=HOSTILE[5],
        smoke=_hostile_smoke(),
    )


def with_done(report: Report, **members: Any) -> Report:
    """The report of an apply with another outcome."""
    assert report.applied is not None
    done = replace(report.applied.done, **members)
    return replace(report, applied=replace(report.applied, done=done))


def _hostile_smoke() -> SmokeResult:
    base = smoke_result()
    runs = tuple(
        replace(
            base.runs[1],
            spec=SmokeSpec(FlowId(text, text), name=text, path=text),
            url=text,
            failures=(SmokeFailure(FailureKind.STATE, text),),
            culprit=Culprit((text, text), text, text),
            log=(LogLine("1", text, text, text),),
        )
        for text in HOSTILE
    )
    return replace(base, runs=runs)
