"""The verdict of smoke tests as cases of JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable

from kestra_sync.report.junit import Case, CaseStatus
from kestra_sync.smoke.result import NOT_DUE, SmokeResult, SmokeRun, SmokeVerdict

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
    return [_case(each) for each in result.runs]


def _case(run: SmokeRun) -> Case:
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
