"""From the result of each command to the one report that every format renders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kestra_sync.errors import ExitCode
from kestra_sync.kinds.registry import diff_of, diff_sources, diff_whole
from kestra_sync.model import FlowId, Severity
from kestra_sync.report.as_json import (
    diagnostics_json,
    drift_json,
    drift_summary,
    name_json,
    outcomes_json,
    repository_json,
    restored_json,
    severity_counts,
)
from kestra_sync.report.diagnostics import (
    counts,
    diagnostic_lines,
    hint_lines,
    skipped_lines,
    validate_lines,
)
from kestra_sync.report.lines import BLANK, Sections, Span, Style, line, message, section
from kestra_sync.report.plan_document import plan_document
from kestra_sync.report.report import Report, RunFailure
from kestra_sync.report.trigger_text import (
    check_lines,
    checks_json,
    disabled_lines,
    enabling_lines,
    keys_json,
)

if TYPE_CHECKING:
    from kestra_sync.commands.apply import ApplyResult
    from kestra_sync.commands.drift import DriftResult
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.commands.preview import DownResult, UpResult
    from kestra_sync.commands.smoke import SmokeReport
    from kestra_sync.commands.validate import ValidateResult
    from kestra_sync.plan.diff import Hunk


def of_validate(result: ValidateResult, *, environment: str | None = None) -> Report:
    """What ``validate`` found."""

    def body() -> Mapping[str, Any]:
        return {
            "server": result.server,
            **repository_json(result.repository),
            "summary": severity_counts(result.diagnostics),
            "diagnostics": diagnostics_json(result.diagnostics),
        }

    valid = result.exit_code is ExitCode.OK
    return Report(
        "validate",
        result.exit_code,
        body,
        lambda: (
            section(
                validate_lines(result.repository, result.diagnostics, result.server, valid=valid)
            ),
        ),
        repository=result.repository,
        server=result.server,
        diagnostics=result.diagnostics,
        environment=environment,
    )


def of_plan(
    result: PlanResult,
    code: ExitCode,
    *,
    context: int = 2,
    verbose: bool = False,
    environment: str | None = None,
) -> Report:
    """What ``plan`` would do."""
    return replace(
        _planned("plan", code, result, environment),
        body=lambda: plan_document(result, context=context),
        sections=lambda: plan_sections(result, context=context, verbose=verbose),
        context=context,
    )


def of_apply(
    result: ApplyResult,
    *,
    context: int = 2,
    verbose: bool = False,
    environment: str | None = None,
    command: str = "apply",
) -> Report:
    """The result of ``apply``, with that of its smoke tests; or of ``rollback``."""

    def body() -> Mapping[str, Any]:
        from kestra_sync.report.execution_json import smoke_json

        return {
            **plan_document(result.planned, context=context),
            "declined": result.declined,
            "interrupted": result.done.interrupted,
            "outcomes": outcomes_json(result.done.outcomes),
            "restored": restored_json(result.done.restored),
            "smoke": None if result.smoke is None else smoke_json(result.smoke),
            "recorded": list(result.done.recorded),
            "notes": list(result.done.notes),
            "triggers_to_enable": keys_json(result.planned.enabling),
            "trigger_checks": checks_json(result.triggers),
        }

    def sections() -> Sections:
        planned = plan_sections(result.planned, context=context, verbose=verbose)
        return (*planned, *applied_sections(result))

    return replace(
        _planned(command, result.exit_code, result.planned, environment),
        body=body,
        sections=sections,
        applied=result,
        notes=result.done.notes,
        interrupted=result.done.interrupted,
        smoke=result.smoke,
        context=context,
    )


def of_drift(result: DriftResult, *, context: int = 2, environment: str | None = None) -> Report:
    """What others changed."""
    planned = result.planned

    def body() -> Mapping[str, Any]:
        return {
            "summary": drift_summary(result.drifted),
            "drifted": [drift_json(each, context=context) for each in result.drifted],
            "disabled_triggers": keys_json(result.disabled_triggers),
            "kept_off": [name_json(each.flow_id) for each in result.kept_off],
            "diagnostics": diagnostics_json(planned.diagnostics),
        }

    return replace(
        _planned("drift", result.exit_code, planned, environment),
        body=body,
        sections=lambda: drift_sections(result, context=context),
        drifted=result.drifted,
        context=context,
    )


def of_smoke(result: SmokeReport, *, environment: str | None = None) -> Report:
    """The result of the smoke tests."""

    def body() -> Mapping[str, Any]:
        from kestra_sync.report.execution_json import smoke_json

        return {
            "server": result.server or None,
            "diagnostics": diagnostics_json(result.diagnostics),
            "smoke": None if result.result is None else smoke_json(result.result),
        }

    def sections() -> Sections:
        from kestra_sync.report.smoke_text import smoke_header, smoke_lines

        found = [message(diagnostic_lines(result.diagnostics))]
        if result.result is not None:
            head = smoke_header(result.result, result.server)
            found.append(section([head, *smoke_lines(result.result)]))
        return tuple(found)

    return Report(
        "smoke",
        result.exit_code,
        body,
        sections,
        server=result.server or None,
        diagnostics=result.diagnostics,
        smoke=result.result,
        interrupted=result.result is not None and result.result.interrupted,
        environment=environment,
    )


def of_preview(result: UpResult, *, context: int = 2, verbose: bool = False) -> Report:
    """The result of ``preview up``: that of the apply, and where the preview is."""
    from kestra_sync.report.preview_text import up_json, up_lines

    environment = result.preview.environment
    applied = of_apply(result.applied, context=context, verbose=verbose, environment=environment)
    return replace(
        applied,
        command="preview up",
        body=lambda: {**applied.body(), "preview": up_json(result)},
        sections=lambda: (*applied.sections(), section(up_lines(result))),
        preview=result,
    )


def of_removals(
    command: str,
    results: Sequence[DownResult],
    code: ExitCode,
    *,
    environment: str | None = None,
) -> Report:
    """The result of ``preview down`` and of ``preview clean``."""
    from kestra_sync.report import preview_text

    def sections() -> Sections:
        lines = preview_text.down_lines(results) if results else [line("No expired previews.")]
        warnings = (
            line(Span("warning: ", Style.WARNING), text)
            for text in preview_text.down_warnings(results)
        )
        return (section(lines), message(warnings))

    return Report(
        command,
        code,
        lambda: preview_text.down_json(results),
        sections,
        notes=tuple(preview_text.down_warnings(results)),
        interrupted=code is ExitCode.INTERRUPTED,
        environment=environment,
        removals=tuple(results),
    )


def of_failure(
    command: str, code: ExitCode, error: BaseException, message: str, remedy: str | None
) -> Report:
    """A run that an exception ended: every format reports it instead of being empty.

    :param message: what the error says, without secrets; so is ``remedy``.
    """
    kind = type(error).__name__
    return Report(command, code, failure=RunFailure(kind, message, remedy))


def _planned(command: str, code: ExitCode, result: PlanResult, environment: str | None) -> Report:
    plan = result.plan
    return Report(
        command,
        code,
        repository=result.repository,
        server=None if plan is None else f"{plan.target.url} (Kestra {plan.server_version})",
        diagnostics=result.diagnostics,
        planned=result,
        environment=environment or (plan.target.environment if plan else None),
    )


def plan_sections(
    result: PlanResult,
    *,
    context: int = 2,
    verbose: bool = False,
    detail: str = "short",
    limit: int | None = None,
    width: int | None = None,
) -> Sections:
    """The plan between what was skipped and what is wrong, where a person finds it.

    :param detail: how much of the diffs to show: full, short, stat or none.
    :param limit: how many lines of each diff ``short`` shows; ``None`` shows all.
    :param width: the columns of the terminal; ``None`` if there is none.
    """
    from kestra_sync.report.plan_text import DiffDetail, plan_lines, refusal_lines

    found = []
    if result.repository.skipped:
        found.append(message(skipped_lines(result.repository)))
    if result.plan is not None:
        shown = DiffDetail(detail)
        changes = () if shown is DiffDetail.NONE else result.plan.changes
        diffs = {each.flow_id: diff_of(each, context=context) for each in changes}
        if shown is DiffDetail.FULL:
            # Of flows that are created or deleted, the whole source.
            for each in changes:
                if each.writes and not diffs[each.flow_id]:
                    diffs[each.flow_id] = diff_whole(each.flow_id.kind, each.before, each.after)
        lines = plan_lines(
            result.plan,
            diffs,
            verbose=verbose,
            triggers=result.triggers,
            detail=shown,
            limit=limit,
            width=width,
        )
        found.append(section(lines))
        if result.enabling:
            found.append(section(enabling_lines(result.enabling)))
    if result.diagnostics:
        found.append(message(diagnostic_lines(result.diagnostics)))
    if result.invalid:
        errors = counts(result.diagnostics)
        words = f"Nothing can be applied: {errors} in files."
        found.append(message([line(Span(words, Style.ERROR))]))
    refused = [(each.rule, Severity.ERROR) for each in result.refusals]
    rules = [*refused, *((each.rule, each.severity) for each in result.diagnostics)]
    found.append(message(refusal_lines(result.refusals)))
    if rules:
        found.append(message(hint_lines(rules)))
    return tuple(found)


def drift_sections(
    result: DriftResult, *, context: int = 2, detail: str = "short", limit: int | None = None
) -> Sections:
    """What others changed; or what keeps that from being known.

    :param detail: as in :func:`plan_sections`; so is ``limit``.
    """
    from kestra_sync.report.drift_text import drift_lines
    from kestra_sync.report.plan_text import DiffDetail

    if result.planned.plan is None:
        return plan_sections(result.planned, context=context)
    shown = DiffDetail(detail)
    diffs: dict[FlowId, Sequence[Hunk]] = {}
    for each in result.drifted if shown is not DiffDetail.NONE else ():
        applied = each.applied
        if each.before is not None and applied is not None:
            diffs[each.flow_id] = diff_sources(
                each.flow_id.kind, applied, each.before, context=context
            )
        elif shown is DiffDetail.FULL and applied is not None:
            # Deleted there: the whole source.
            diffs[each.flow_id] = diff_whole(each.flow_id.kind, applied, None)
    disabled = list(disabled_lines(result.disabled_triggers))
    lines = drift_lines(
        result.planned.plan,
        result.drifted,
        diffs,
        result.kept_off,
        disabled,
        detail=shown,
        limit=limit,
    )
    return (section(lines),)


def applied_sections(result: ApplyResult) -> Sections:
    """The outcome of an apply, below its plan."""
    from kestra_sync.report.apply_text import outcome_lines
    from kestra_sync.report.smoke_text import smoke_lines

    found = []
    if result.declined:
        found.append(section([line("Nothing was applied.")]))
    if result.smoke is not None:
        found.append(section([BLANK, *smoke_lines(result.smoke), BLANK]))
    if result.done.outcomes:
        lines = outcome_lines(
            result.done.outcomes, result.done.restored, interrupted=result.done.interrupted
        )
        found.append(section(lines))
    found.append(section(map(line, result.done.recorded)))
    if result.triggers:
        found.append(section(check_lines(result.triggers, result.planned.triggers)))
    warnings = (line(Span("warning: ", Style.WARNING), note) for note in result.done.notes)
    return (*found, message(warnings))
