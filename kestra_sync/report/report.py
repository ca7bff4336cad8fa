"""The value that every format renders: request, findings, result and errors of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kestra_sync.errors import ExitCode
from kestra_sync.model import Change, Desired, Diagnostic, FlowId, Plan, Repository
from kestra_sync.plan.refusals import Refusal
from kestra_sync.report.lines import Sections
from kestra_sync.triggers.changes import TriggerChange, TriggerCheck

if TYPE_CHECKING:
    from kestra_sync.apply.run import Outcome, Restored
    from kestra_sync.commands.preview import DownResult, UpResult
    from kestra_sync.smoke.result import SmokeResult


@dataclass(frozen=True)
class RunFailure:
    """What ended the run early.

    :param kind: the name of the exception.
    """

    kind: str
    message: str
    remedy: str | None = None


def _no_sections() -> Sections:
    return ()


def _no_options(_command: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Report:
    """A run and its result. What a command does not have stays empty.

    :param body: makes the members of the command's JSON.
    :param sections: makes the text, as a person reads it on a terminal.
    :param server: the server that was asked and its version; ``None`` if none was.
    :param desired: every flow that Git holds.
    :param triggers: what the changes do to triggers, by flow; ``trigger_checks`` how they were
        found afterwards.
    :param drifted: what others changed on the server; ``None`` if that was not the question.
    :param outcomes: the outcome of each write; ``None`` if nothing was to be written.
    :param preview: what was put up; ``removals`` what was taken down, ``None`` if that was not
        the question.
    :param prefix: the directory of the run below the root of the checkout, for the formats that
        name files from there; with ``/``, ``""`` for the root itself.
    :param context: unchanged lines around each change in a diff.
    :param options: returns, for the name of a command, the options with which it would check the
        same things as this run.
    """

    command: str
    exit_code: ExitCode
    body: Callable[[], Mapping[str, Any]] = dict
    sections: Callable[[], Sections] = _no_sections
    repository: Repository | None = None
    server: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: Plan | None = None
    desired: Mapping[FlowId, Desired] = field(default_factory=dict)
    triggers: Mapping[FlowId, Sequence[TriggerChange]] = field(default_factory=dict)
    trigger_checks: tuple[TriggerCheck, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    drifted: tuple[Change, ...] | None = None
    outcomes: tuple[Outcome, ...] | None = None
    restored: tuple[Restored, ...] = ()
    notes: tuple[str, ...] = ()
    declined: bool = False
    interrupted: bool = False
    smoke: SmokeResult | None = None
    preview: UpResult | None = None
    removals: tuple[DownResult, ...] | None = None
    failure: RunFailure | None = None
    environment: str | None = None
    prefix: str = ""
    context: int = 2
    options: Callable[[str], Sequence[str]] = _no_options

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes worth a row of their own: what is written, and what others did."""
        if self.drifted is not None:
            return self.drifted
        if self.plan is None:
            return ()
        from kestra_sync.report.wording import is_alert

        return tuple(each for each in self.plan.changes if each.writes or is_alert(each))


@dataclass(frozen=True)
class Reports:
    """A run over several environments.

    :param reports: one for each environment that was attempted, in the order in which they were
        named. Each is what a run for that environment alone would report.
    :param not_attempted: the environments after one that failed.
    """

    command: str
    exit_code: ExitCode
    reports: tuple[Report, ...]
    not_attempted: tuple[str, ...] = ()

    @property
    def environments(self) -> tuple[str, ...]:
        """The names of all of them."""
        return (*(each.environment or "" for each in self.reports), *self.not_attempted)
