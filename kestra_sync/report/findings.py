"""All problems of a run as one list, for annotations, SARIF and tables."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.model import Change, Diagnostic, Position, Severity
from kestra_sync.report.drift_text import words
from kestra_sync.report.report import Report

_WEIGHT = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}

#: The rules of findings that are not diagnostics, with their meanings.
RULES = {
    "drift": "The flow was edited on the server",
    "apply-failed": "The flow could not be written",
    "rollback-failed": "A write could not be rolled back",
    "smoke": "A smoke test failed",
}


def findings(report: Report) -> tuple[Diagnostic, ...]:
    """Return all findings, the most severe first, then in the order of the files."""
    found = [*report.diagnostics, *_of_plan(report), *_of_apply(report), *_of_smoke(report)]
    return tuple(sorted(found, key=lambda each: (_WEIGHT[each.severity], each.sort_key)))


def _of_plan(report: Report) -> Iterator[Diagnostic]:
    for refusal in report.refusals:
        yield Diagnostic(
            "", None, Severity.ERROR, refusal.rule, refusal.message, refusal.remedy or None
        )
    for each in report.drifted or ():
        yield Diagnostic(
            each.path or "",
            _position(each),
            Severity.WARNING,
            "drift",
            f"{each.flow_id}: {words(each)}",
            flow=each.flow_id,
        )


def _of_apply(report: Report) -> Iterator[Diagnostic]:
    for outcome in report.outcomes or ():
        status = outcome.status.value
        if status in ("failed", "conflict"):
            details = f": {outcome.message}" if outcome.message else ""
            yield Diagnostic(
                outcome.change.path or "",
                _position(outcome.change),
                Severity.ERROR,
                "apply-failed",
                f"{outcome.change.flow_id}: {status}{details}",
                getattr(outcome.error, "remedy", None),
                outcome.change.flow_id,
            )
    for each in report.restored:
        if each.status.value != "restored":
            yield Diagnostic(
                "",
                None,
                Severity.ERROR,
                "rollback-failed",
                f"{each.change.flow_id} was not rolled back: {each.message}",
                flow=each.change.flow_id,
            )


def _of_smoke(report: Report) -> Iterator[Diagnostic]:
    for run in report.smoke.runs if report.smoke is not None else ():
        details = "; ".join(each.message for each in run.failures)
        if run.verdict.value in ("passed", "skipped"):
            continue
        yield Diagnostic(
            run.spec.path,
            run.spec.position,
            Severity.ERROR,
            "smoke",
            f"{run.spec.title}: {details or run.verdict.value}",
            flow=run.flow,
        )


def _position(change: Change) -> Position | None:
    """Return the start of the flow in its file; ``None`` if it is no longer in Git."""
    if change.desired is None:
        return None
    return Position(change.desired.flow.document.first_line, 1)
