"""A report as JUnit XML: a case for each flow, each guard and each smoke test."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from kestra_sync.apply.run import ChangeStatus as Ended
from kestra_sync.apply.run import Outcome
from kestra_sync.model import Diagnostic, Severity
from kestra_sync.report.diagnostics import where
from kestra_sync.report.drift_text import words
from kestra_sync.report.junit import Case, CaseStatus, Suite, junit_suites
from kestra_sync.report.report import Report, Reports
from kestra_sync.safe.text import visible
from kestra_sync.smoke.result import NOT_DUE, SmokeResult, SmokeRun, SmokeVerdict

_ENDS = {
    Ended.APPLIED: CaseStatus.PASSED,
    Ended.FAILED: CaseStatus.ERROR,
    Ended.CONFLICT: CaseStatus.FAILED,
    Ended.NOT_ATTEMPTED: CaseStatus.SKIPPED,
}
_COMMAND = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


class JunitReporter:
    """``--format junit``."""

    name = "junit"

    def render(self, report: Report) -> str:
        """One suite, named after the command and the environment."""
        suite = _suite(report)
        return _harmless(junit_suites(suite.name, [suite]))

    def render_several(self, reports: Reports) -> str:
        """Render a suite for each environment; those not attempted have a skipped case."""
        name = f"kestra-sync {reports.command}"
        left = [
            Suite(f"{name} {each}", [_case("run", "run", CaseStatus.SKIPPED, ["not attempted"])])
            for each in reports.not_attempted
        ]
        return _harmless(junit_suites(name, [*map(_suite, reports.reports), *left]))


def _suite(report: Report) -> Suite:
    name = " ".join(filter(None, ("kestra-sync", report.command, report.environment)))
    seconds = report.smoke.seconds if report.smoke is not None else None
    return Suite(name, list(_cases(report)), seconds)


def _harmless(text: str) -> str:
    """Disarm workflow commands, in case this is printed to the log."""
    return _COMMAND.sub(r"\1&#58;", text).replace("##[", "#&#35;[")


def _cases(report: Report) -> Iterator[Case]:
    if report.failure is not None:
        message = report.failure.message
        detail = "\n".join(filter(None, (message, report.failure.remedy)))
        yield _case("run", report.failure.kind, CaseStatus.ERROR, [message], detail)
    yield from _flows(report)
    for refusal in report.refusals:
        detail = f"{refusal.message}\n{refusal.remedy}"
        yield _case("guards", refusal.rule, CaseStatus.FAILED, [refusal.message], detail)
    if report.smoke is not None:
        yield from smoke_cases(report.smoke)


def _flows(report: Report) -> Iterator[Case]:
    """Return the flows, files and keys that are or were in Git, then other findings."""
    drifted = {each.flow_id: each for each in report.drifted or ()}
    outcomes = {each.change.flow_id: each for each in report.outcomes or ()}
    diagnostics_of: dict[str, list[Diagnostic]] = defaultdict(list)
    repository = report.repository
    flows = repository.flows if repository is not None else ()
    here = {each.path: each.flow_id for each in flows}
    known = {*here.values()}
    if repository is not None:
        known.update(repository.other_resources)
        flows = (*flows, *(each.flow for _, each in sorted(repository.other_resources.items())))
    for each in report.diagnostics:
        flow_id = each.flow or here.get(each.path)
        diagnostics_of[str(flow_id) if flow_id in known else each.path].append(each)
    for flow in flows:
        name = str(flow.flow_id)
        problems = diagnostics_of.pop(name, [])
        yield _flow_case(
            flow.flow_id.namespace,
            name,
            problems,
            outcomes.pop(flow.flow_id, None),
            edited=words(drifted.pop(flow.flow_id)) if flow.flow_id in drifted else "",
            file=flow.path,
            line=flow.document.first_line,
        )
    for flow_id, outcome in outcomes.items():
        yield _flow_case(flow_id.namespace, str(flow_id), [], outcome)
    for flow_id, change in drifted.items():
        yield _flow_case(flow_id.namespace, str(flow_id), [], None, edited=words(change))
    for path, problems in diagnostics_of.items():
        yield _flow_case("files", path or "files", problems, None, file=path or None)
    for skipped in repository.skipped if repository is not None else ():
        yield Case(
            skipped.path, "files", CaseStatus.SKIPPED, message=skipped.reason, file=skipped.path
        )


def _flow_case(
    group: str,
    name: str,
    problems: Sequence[Diagnostic],
    outcome: Outcome | None,
    *,
    edited: str = "",
    file: str | None = None,
    line: int | None = None,
) -> Case:
    errors = [each for each in problems if each.severity is Severity.ERROR]
    others = [each for each in problems if each.severity is not Severity.ERROR]
    messages = [each.message for each in errors]
    status = CaseStatus.FAILED if errors else CaseStatus.PASSED
    if edited:
        status, messages = CaseStatus.FAILED, [edited, *messages]
    if outcome is not None and not errors:
        status = _ENDS[outcome.status]
        default = str(outcome.status).replace("-", " ")
        messages = [outcome.message or default] if status is not CaseStatus.PASSED else []
    detail = "\n".join([*messages[:1], *(_line(each) for each in errors)]) if messages else ""
    output = "\n".join(_line(each) for each in others)
    return _case(group, name, status, messages, detail, output, file, line)


def _case(
    group: str,
    name: str,
    status: CaseStatus,
    messages: Sequence[str],
    detail: str = "",
    output: str = "",
    file: str | None = None,
    line: int | None = None,
) -> Case:
    message = visible(messages[0].splitlines()[0]) if messages and messages[0] else ""
    if len(messages) > 1:
        message += f" (and {len(messages) - 1} more)"
    return Case(
        visible(name),
        visible(group),
        status,
        0.0,
        message,
        _text(detail),
        _text(output),
        file,
        line,
    )


def _line(each: Diagnostic) -> str:
    remedy = f" ({each.remedy})" if each.remedy else ""
    return f"{where(each)}: {each.severity}[{each.rule}] {each.message}{remedy}"


def _text(text: str) -> str:
    return "\n".join(visible(line) for line in text.splitlines())


_STATUS = {
    SmokeVerdict.PASSED: CaseStatus.PASSED,
    SmokeVerdict.FAILED: CaseStatus.FAILED,
    SmokeVerdict.TIMED_OUT: CaseStatus.FAILED,
    SmokeVerdict.ERROR: CaseStatus.ERROR,
    SmokeVerdict.INTERRUPTED: CaseStatus.ERROR,
    SmokeVerdict.SKIPPED: CaseStatus.SKIPPED,
}


def smoke_cases(result: SmokeResult) -> list[Case]:
    """A case for each test."""
    return [_smoke_junit_case(each) for each in result.runs]


def _smoke_junit_case(run: SmokeRun) -> Case:
    messages = [each.message for each in run.failures]
    if run.verdict is SmokeVerdict.SKIPPED:
        messages = [run.reason or NOT_DUE]
    elif run.verdict is SmokeVerdict.INTERRUPTED and not messages:
        messages = ["interrupted"]
    return Case(
        name=run.spec.title,
        group=run.flow.namespace,
        status=_STATUS[run.verdict],
        seconds=run.seconds or 0.0,
        message=messages[0].splitlines()[0] if messages else "",
        detail="\n".join(_detail(run, messages)) if run.failures else "",
        output="\n".join(
            f"{each.time} {each.level} {each.task or '-'} {each.text}" if each.time else each.text
            for each in run.log
        ),
        file=run.spec.path or None,
        line=run.spec.position.line if run.spec.position else None,
    )


def _detail(run: SmokeRun, messages: Iterable[str]) -> Iterable[str]:
    yield from messages
    if run.culprit is not None:
        way = " › ".join(run.culprit.chain)
        error = f": {run.culprit.error}" if run.culprit.error else ""
        yield f"task {way} {run.culprit.state}{error}" if way else f"error{error}"
    if run.url and run.cleanup is not None and run.cleanup.kept:
        yield run.url
