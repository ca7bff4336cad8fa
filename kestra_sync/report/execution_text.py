"""Single executions and their logs as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from kestra_sync.executions.duration import format_duration, iso_seconds
from kestra_sync.executions.logs import LogLine
from kestra_sync.report.lines import Line, Span, Style, line
from kestra_sync.report.smoke_text import evidence_lines

if TYPE_CHECKING:
    from kestra_sync.commands.run_flow import RunResult

_LEVELS = {"ERROR": Style.ERROR, "WARN": Style.WARNING, "DEBUG": Style.DIM, "TRACE": Style.DIM}
_OUTPUT = 2000
_WAITING = {
    "PAUSED": "it is waiting to be resumed",
    "BREAKPOINT": "it is suspended at a breakpoint",
    "QUEUED": "it is waiting for other executions of its flow to end",
}


def ran_lines(ran: RunResult) -> Iterator[Line]:
    """Show the result, the outputs, and, after a failure, the task, its error and the last logs."""
    execution = ran.execution
    good = execution.state == "SUCCESS" or not ran.waited
    style = Style.GOOD if good else Style.WARNING if ran.exit_code == 0 else Style.ERROR
    columns = [str(execution.flow_id)]
    if execution.revision is not None:
        columns.append(f"rev {execution.revision}")
    seconds = iso_seconds(execution.duration) if execution.is_final else None
    if seconds is not None:
        columns.append(format_duration(seconds))
    columns += [execution.id, ran.url]
    state = execution.state if ran.waited else "started"
    yield line(Span(state, style), "   ", "   ".join(columns))
    if ran.waited and not execution.is_final:
        why = _WAITING.get(execution.state, "it has not finished yet")
        yield line(f"  {why}; it keeps running")
    if execution.state == "WARNING":
        yield line("  it ended with a warning, which does not count as a failure")
    if execution.outputs:
        yield line("  outputs:")
    for name, value in execution.outputs.items():
        text = ran.masker.clean(json.dumps(value, ensure_ascii=False, default=str), _OUTPUT)
        yield line(f"    {name}: {text}")
    yield from evidence_lines(ran.culprit, ran.log, indent=2)


def log_line_text(each: LogLine, *, colour: bool = False) -> Line:
    """``12:30:01.250 ERROR load  message``; further lines of a message are indented."""
    if not each.time:
        return line(" " * 14, each.text)
    level = Span(
        f"{each.level:<5}", _LEVELS.get(each.level, Style.PLAIN) if colour else Style.PLAIN
    )
    return line(Span(each.time, Style.DIM), "  ", level, f" {each.task or '-'}  ", each.text)


def deleted_lines(problems: Mapping[str, str | None]) -> Iterator[Line]:
    """A line for each execution."""
    for known, problem in problems.items():
        if problem is None:
            yield line(Span("deleted", Style.GOOD), f"   {known}")
        else:
            yield line(Span("FAILED ", Style.ERROR), f"   {known}: {problem}")
