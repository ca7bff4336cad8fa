"""Suggests the next step, with a command if possible."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from kestra_sync.errors import ExitCode
from kestra_sync.report.report import Report


@dataclass(frozen=True)
class NextStep:
    """A sentence, and the command it refers to; ``""`` if there is none."""

    words: str
    command: str = ""


def next_step(report: Report) -> NextStep | None:
    """Return the next step; ``None`` if there is nothing to do."""
    code = report.exit_code
    if report.failure is not None:
        return NextStep(report.failure.remedy) if report.failure.remedy else None
    if code is ExitCode.INVALID:
        return NextStep("fix the files, and check them without a server:", _validate(report))
    if report.refusals:
        return None  # each says for itself what to do
    if report.command == "plan" and report.plan and report.plan.changes_anything:
        return NextStep("apply exactly this plan:", _apply(report, expect=True))
    if report.command == "drift" and report.drifted:
        return NextStep("see what an apply would change:", _command("plan", report))
    if report.smoke is not None and report.smoke.failed:
        return NextStep("check the failed tests, and fix the flows.")
    if report.command.startswith("preview "):
        return None  # it says so itself
    if report.command == "rollback":
        return None  # of an apply of the files, below
    left = any(each.status.value != "applied" for each in report.outcomes or ())
    if left and not report.restored:
        return NextStep("run the same command again to apply the rest:", _apply(report))
    return None


def digest(report: Report) -> str | None:
    """Return the digest of the plan; ``None`` if there is none, or it is not the result."""
    if report.plan is None or report.command not in ("plan", "apply"):
        return None
    from kestra_sync.plan.saved import freeze

    return freeze(report.plan).digest


def _validate(report: Report) -> str:
    return f"{_command('validate', report)} --offline"


def _apply(report: Report, *, expect: bool = False) -> str:
    more = ["--expect-digest", digest(report) or ""] if expect else []
    return _command("apply", report, more)


def _command(name: str, report: Report, more: Sequence[str] = ()) -> str:
    """Return the command with the options that shaped this run, so that it does the same."""
    words = ["kestra-sync", name, *report.options(name)]
    if report.environment and not {"-e", "--environment"}.intersection(words):
        words += ["-e", report.environment]
    source = report.repository.source if report.repository is not None else "flows"
    paths = source.split(", ") if source != "flows" else []
    if any(path.startswith("-") for path in paths):
        return shlex.join([*words, *more, "--", *paths])
    return shlex.join([*words, *paths, *more])
