"""``kestra-sync explain``."""

from __future__ import annotations

import click

from kestra_sync.cli.options import output_options
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode


@click.command("explain")
@click.argument("rule", required=False, metavar="[RULE]")
@output_options
def command(
    *, rule: str | None, output_format: str, color: str, verbose: bool, **_options: object
) -> ExitCode:
    """Explain a rule, a guard, or the reason for a change.

    RULE is the name in brackets, as in error[flow-id] or refused[first-contact]. Without RULE,
    lists all rules. Exits with code 64 if the name is unknown.
    """
    from kestra_sync.commands.explain import explain, explanations
    from kestra_sync.report.diagnostics import explanation_json, explanation_lines, list_lines

    output = Output.of("explain", output_format=output_format, color=color, verbose=verbose)
    found = [*explanations().values()] if rule is None else [explain(rule)]
    output.text(list_lines(found) if rule is None else explanation_lines(found[0]))
    output.result(ExitCode.OK, {"rules": [explanation_json(each) for each in found]})
    return ExitCode.OK
