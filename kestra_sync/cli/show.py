"""Shows a plan, for every command that makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kestra_sync.cli.output import Output
from kestra_sync.report.diagnostics import counts, diagnostic_lines
from kestra_sync.report.lines import Span, Style, line

if TYPE_CHECKING:
    from kestra_sync.commands.plan import PlanResult


def show_plan(output: Output, result: PlanResult, *, context: int) -> None:
    """The plan on stdout; what was skipped and what is wrong with the files on stderr.

    The plan comes first and the errors last, where a person finds them.
    """
    from kestra_sync.plan.diffs import diff_of
    from kestra_sync.report.plan_text import plan_lines, refusal_lines
    from kestra_sync.report.validate_text import skipped_lines

    if not output.readable:
        return
    output.message(skipped_lines(result.repository))
    if result.plan is not None:
        diffs = {each.flow_id: diff_of(each, context=context) for each in result.plan.changes}
        output.text(plan_lines(result.plan, diffs, verbose=output.verbose))
    if result.diagnostics:
        output.message(diagnostic_lines(result.diagnostics))
    if result.invalid:
        found = counts(result.diagnostics)
        output.message([line(Span(f"Nothing can be applied: {found} in files.", Style.ERROR))])
    output.message(refusal_lines(result.refusals))
