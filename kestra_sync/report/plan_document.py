"""The JSON of a plan as a whole: files, plan, diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kestra_sync.plan.saved import freeze
from kestra_sync.report.as_json import diagnostics_json, plan_json, repository_json
from kestra_sync.report.trigger_text import triggers_json

if TYPE_CHECKING:
    from kestra_sync.commands.plan import PlanResult


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
