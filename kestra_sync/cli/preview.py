"""``kestra-sync preview``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.ask import ask
from kestra_sync.cli.options import (
    F,
    config_option,
    connection_options,
    diff_options,
    option,
    output_options,
    report_options,
    settings_from,
    settings_options,
)
from kestra_sync.cli.output import Output
from kestra_sync.cli.smoke_progress import smoke_progress
from kestra_sync.errors import ExitCode
from kestra_sync.previews import environment_of, preview_name
from kestra_sync.report.lines import question
from kestra_sync.safe.text import visible

if TYPE_CHECKING:
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.commands.preview import ConfirmRemoval, DownResult, Removal
    from kestra_sync.settings import Settings


@click.group("preview")
def command() -> None:
    """Deploy a pull request to its own namespaces, and remove it afterwards.

    Configured with `preview:` in kestra-sync.yaml; see docs/previews.md.
    """


_YES = option(
    "-y", "--yes", is_flag=True, help="Skip the confirmation prompt; required without a terminal."
)


def _shared(function: F) -> F:
    """What every subcommand takes."""
    return config_option(connection_options(function))


@command.command("up")
@click.argument("name")
@settings_options("preview up")
@_YES
@diff_options
@_shared
@report_options
def up(
    *,
    name: str,
    yes: bool,
    detail: str,
    context: int,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Create or update the preview NAME, and run its smoke tests.

    NAME is a pull request number or another name; a branch name is converted into a valid one.
    Shows the plan and asks for confirmation. Changes only resources that it has created itself, in
    the namespaces of the preview.
    """
    from kestra_sync.commands import preview
    from kestra_sync.report.apply_text import applied_sections
    from kestra_sync.report.collect import of_preview
    from kestra_sync.report.lines import section
    from kestra_sync.report.plan_text import DIFF_LINES, plan_sections
    from kestra_sync.report.preview_text import up_lines

    output = Output.of(
        "preview up", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    resolved = _settings(name, settings)
    observer = output.observer()

    def confirm(planned: PlanResult) -> bool:
        observer.end()
        agreed = yes or planned.plan is None or not planned.plan.writes
        agreed = agreed or bool(planned.exit_code(detailed=False))
        cut = DIFF_LINES if agreed else None  # before a question nothing is cut
        output.show(
            plan_sections(planned, context=context, verbose=verbose, detail=detail, limit=cut)
        )
        if agreed:
            return True
        assert planned.plan is not None
        return ask(visible(question(planned.plan)))

    try:
        result = preview.up(
            resolved, confirm, observer=observer, smoke_observer=smoke_progress(output)
        )
    finally:
        observer.end()
    applied = result.applied

    def show_result() -> None:
        if applied.planned.plan is None:  # there was nothing to confirm
            output.show(plan_sections(applied.planned, context=context, verbose=verbose))
        output.show(applied_sections(applied))
        output.show([section(up_lines(result))])

    def report() -> ExitCode:
        return output.report(of_preview(result, context=context, verbose=verbose))

    if applied.done.outcomes or applied.smoke is not None:
        return output.report_outcome(result.exit_code, show_result, report)
    show_result()
    return report()


@command.command("down")
@click.argument("name")
@_YES
@settings_options("preview down")
@_shared
@report_options
def down(
    *,
    name: str,
    yes: bool,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Remove the preview NAME and everything in it.

    Removes its flows, files and keys, the executions of its flows, and its inventory. Run it again
    if it was interrupted. Does not read flows: any checkout with the configuration works.
    """
    from kestra_sync.commands import preview

    output = Output.of(
        "preview down", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    resolved = _settings(name, settings)
    observer = output.observer()
    try:
        result = preview.down(resolved, _confirm(output, yes=yes), observer=observer)
    finally:
        observer.end()
    return _report_removals(output, [result], result.exit_code, environment=resolved.environment)


@command.command("clean")
@option(
    "--keep",
    multiple=True,
    metavar="NAME",
    help="Name of a preview to keep, such as that of an open pull request; repeatable.",
)
@_YES
@settings_options("preview clean")
@_shared
@report_options
def clean(
    *,
    keep: tuple[str, ...],
    yes: bool,
    output_format: str,
    color: str,
    verbose: bool,
    outputs: tuple[str, ...],
    **settings: object,
) -> ExitCode:
    """Remove the previews that have expired.

    A preview expires after `preview.ttl`. With --keep, removes all others, expired or not. Also
    finishes removals that were interrupted.
    """
    from kestra_sync.commands import preview

    output = Output.of(
        "preview clean", output_format=output_format, color=color, verbose=verbose, outputs=outputs
    )
    observer = output.observer()
    try:
        results = preview.clean(
            lambda name: _settings(name or "any", settings),
            _confirm(output, yes=yes),
            keep=[preview_name(each) for each in keep] or None,
            observer=observer,
        )
    finally:
        observer.end()
    code = max((each.exit_code for each in results), default=ExitCode.OK)
    return _report_removals(output, results, code)


@command.command("list")
@_shared
@output_options
def list_(*, output_format: str, color: str, verbose: bool, **settings: object) -> ExitCode:
    """List the previews of this repository.

    Shows age, expiry, commit, number of flows, and the result of the last `up`.
    """
    from kestra_sync.commands import preview
    from kestra_sync.report.preview_text import list_json, list_lines

    output = Output.of("preview list", output_format=output_format, color=color, verbose=verbose)
    found = preview.previews(_settings("any", settings))
    output.text(list_lines(found))
    output.result(ExitCode.OK, list_json(found))
    return ExitCode.OK


def _settings(name: str, given: Mapping[str, object]) -> Settings:
    return settings_from(environment=environment_of(preview_name(name)), **given)


def _confirm(output: Output, *, yes: bool) -> ConfirmRemoval:
    def confirm(removals: Sequence[Removal]) -> bool:
        from kestra_sync.report.preview_text import removal_lines, removal_question

        output.text(removal_lines(removals))
        return yes or ask(visible(removal_question(removals)))

    return confirm


def _report_removals(
    output: Output, results: Sequence[DownResult], code: ExitCode, environment: str | None = None
) -> ExitCode:
    from kestra_sync.report.collect import of_removals

    report = of_removals(output.command, results, code, environment=environment)
    return output.report_outcome(
        code, lambda: output.show(report.sections()), lambda: output.report(report)
    )
