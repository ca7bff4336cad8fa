"""Converts the result of each command to the report that all formats render."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kestra_sync.errors import ExitCode
from kestra_sync.plan.saved import freeze
from kestra_sync.report.apply_text import applied_sections
from kestra_sync.report.as_json import (
    diagnostics_json,
    drift_json,
    drift_summary,
    name_json,
    outcomes_json,
    plan_json,
    repository_json,
    resource_counts,
    restored_json,
    severity_counts,
)
from kestra_sync.report.diagnostics import (
    diagnostic_lines,
    validate_lines,
)
from kestra_sync.report.drift_text import drift_sections
from kestra_sync.report.lines import Sections, Span, Style, line, message, section
from kestra_sync.report.plan_text import plan_sections
from kestra_sync.report.report import Report, RunFailure
from kestra_sync.report.trigger_text import (
    checks_json,
    keys_json,
    triggers_json,
)

if TYPE_CHECKING:
    from kestra_sync.commands.apply import ApplyResult
    from kestra_sync.commands.drift import DriftResult
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.commands.preview import DownResult, UpResult
    from kestra_sync.commands.smoke import SmokeReport
    from kestra_sync.commands.validate import ValidateResult


def of_validate(result: ValidateResult, *, environment: str | None = None) -> Report:
    """Make the report of ``validate``."""

    def body() -> Mapping[str, Any]:
        return {
            "server": result.server,
            **repository_json(result.repository),
            "summary": {
                **severity_counts(result.diagnostics),
                **resource_counts(
                    len(result.repository.flows),
                    Counter(each.kind for each in result.repository.other_resources),
                ),
            },
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
    """Make the report of ``plan``."""
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
    """Make the report of ``apply``, including its smoke tests, or of ``rollback``."""

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
    """Make the report of ``drift``."""
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
    """Make the report of ``smoke``."""

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
    """Make the report of ``preview up``: that of the apply, and the location of the preview."""
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
    """Make the report of ``preview down`` or ``preview clean``."""
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
    """Make the report of a run that ended with an exception, so that no format is empty.

    :param message: of the error, with secrets masked, like ``remedy``.
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


def plan_document(result: PlanResult, *, context: int = 2) -> dict[str, Any]:
    """``repository``, ``plan`` (``null`` if none could be made) and ``diagnostics``."""
    return {
        "repository": repository_json(result.repository),
        "plan": None if result.plan is None else plan_json(result.plan, context=context),
        "digest": None if result.plan is None else freeze(result.plan).digest,
        "diagnostics": diagnostics_json(result.diagnostics),
        "triggers": triggers_json(result.triggers, result.plan),
        "refusals": [
            {"rule": each.rule, "message": each.message, "remedy": each.remedy}
            for each in result.refusals
        ],
    }
