"""The result of smoke tests as text."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.duration import format_duration
from kestra_sync.executions.logs import LogLine
from kestra_sync.report.lines import BLANK, Line, Span, Style, line
from kestra_sync.smoke.result import NOT_DUE, SmokeResult, SmokeRun, SmokeVerdict

_SIGNS = {
    SmokeVerdict.PASSED: ("ok", Style.GOOD),
    SmokeVerdict.FAILED: ("FAIL", Style.ERROR),
    SmokeVerdict.TIMED_OUT: ("TIME", Style.ERROR),
    SmokeVerdict.ERROR: ("ERROR", Style.ERROR),
    SmokeVerdict.SKIPPED: ("skip", Style.DIM),
    SmokeVerdict.INTERRUPTED: ("stop", Style.WARNING),
}
_WORDS = {
    SmokeVerdict.PASSED: "passed",
    SmokeVerdict.FAILED: "failed",
    SmokeVerdict.TIMED_OUT: "timed out",
    SmokeVerdict.ERROR: "could not run",
    SmokeVerdict.INTERRUPTED: "interrupted",
    SmokeVerdict.SKIPPED: "skipped",
}
_PAD = " " * 9


def smoke_header(result: SmokeResult, server: str) -> Line:
    """Return the line that names the server and the run."""
    parts = [f" · {server}", f" · run {result.run_id}"]
    if result.commit:
        parts.append(f" · commit {result.commit[:12]}")
    return line(Span("kestra-sync smoke", Style.HEADING), *parts)


def smoke_lines(result: SmokeResult) -> Iterator[Line]:
    """Show each test with its failures, then the summary."""
    if result.runs:
        titles = max(len(each.spec.title) for each in result.runs)
        revisions = max(len(_revision(each)) for each in result.runs)
        states = max(len(_state(each)) for each in result.runs)
        times = max(len(_time(each)) for each in result.runs)
        for each in result.runs:
            yield _run_line(each, titles, revisions, states, times)
            yield from _evidence(each)
        yield BLANK
    style = Style.ERROR if result.failed or result.interrupted else Style.GOOD
    yield line(Span(smoke_summary(result), style))


def smoke_summary(result: SmokeResult) -> str:
    """``Smoke: 3 passed, 1 failed, 2 skipped in 4.2 s.``"""
    parts = [
        f"{result.count(verdict):,} {words}"
        for verdict, words in _WORDS.items()
        if result.count(verdict)
    ]
    lead = "Smoke interrupted" if result.interrupted else "Smoke"
    return f"{lead}: {', '.join(parts) or 'no tests'} in {format_duration(result.seconds)}."


def _run_line(run: SmokeRun, titles: int, revisions: int, states: int, times: int) -> Line:
    sign, style = _SIGNS[run.verdict]
    if run.verdict is SmokeVerdict.SKIPPED:
        columns = [f"{run.spec.title:<{titles}}", run.reason or NOT_DUE]
        return line("  ", Span(f"{sign:<7}{'   '.join(columns)}", style))
    columns = [f"{run.spec.title:<{titles}}"]
    if revisions:
        columns.append(f"{_revision(run):<{revisions}}")
    if states:
        columns.append(f"{_state(run):<{states}}")
    columns.append(f"{_time(run):>{times}}")
    if run.url is not None and run.cleanup is not None and run.cleanup.kept:
        columns.append(run.url)
    return line("  ", Span(f"{sign:<7}", style), "   ".join(columns))


def _revision(run: SmokeRun) -> str:
    return "" if run.revision is None else f"rev {run.revision}"


def _state(run: SmokeRun) -> str:
    return run.state or ""


def _time(run: SmokeRun) -> str:
    return "" if run.seconds is None else format_duration(run.seconds)


def _evidence(run: SmokeRun) -> Iterator[Line]:
    for failure in run.failures:
        for text in failure.message.splitlines():
            yield line(_PAD, Span(text, Style.ERROR))
    yield from evidence_lines(run.culprit, run.log, indent=len(_PAD))
    for problem in run.cleanup.problems if run.cleanup is not None else ():
        yield line(_PAD, Span(problem, Style.WARNING))
    if (
        run.verdict in (SmokeVerdict.FAILED, SmokeVerdict.TIMED_OUT, SmokeVerdict.ERROR)
        and run.spec.path
    ):
        at = f":{run.spec.position.line}" if run.spec.position else ""
        yield line(_PAD, Span(f"defined in {run.spec.path}{at}", Style.DIM))


def evidence_lines(
    culprit: Culprit | None, log: tuple[LogLine, ...], *, indent: int
) -> Iterator[Line]:
    """Show the failed task with its error, and the last lines of the log."""
    pad = " " * indent
    if culprit is not None:
        first, *more = culprit.error.splitlines() or [""]
        way = " › ".join(culprit.chain)
        at = f"task {way} {culprit.state}" if way else "error"
        yield line(pad, at, f": {first}" if first else "")
        for text in more:
            yield line(pad, f"  {text}")
    for each in log:
        head = f"{each.time} {each.level:<5} {each.task or '-'}" if each.time else ""
        # The bar prevents CI from interpreting the line as a command.
        yield line(pad, Span(f"│ {head}  {each.text}", Style.DIM))
