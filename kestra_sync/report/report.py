"""The value that every format renders: request, findings, result and errors of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kestra_sync.errors import ExitCode
from kestra_sync.model import Change, Desired, Diagnostic, FlowId, Plan, Repository
from kestra_sync.plan.refusals import Refusal
from kestra_sync.report.lines import Sections

if TYPE_CHECKING:
    from kestra_sync.apply.run import Outcome, Restored
    from kestra_sync.commands.apply import ApplyResult
    from kestra_sync.commands.plan import PlanResult
    from kestra_sync.commands.preview import DownResult, UpResult
    from kestra_sync.smoke.result import SmokeResult
    from kestra_sync.triggers.changes import TriggerChange, TriggerCheck


@dataclass(frozen=True)
class RunFailure:
    """The error that ended the run.

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
    :param server: the server and its version; ``None`` if there was none.
    :param planned: the plan of a command that makes one; ``applied`` its outcome.
    :param drifted: what others changed on the server; ``None`` for other commands.
    :param preview: what was deployed; ``removals`` what was removed; ``None`` for other
        commands.
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
    planned: PlanResult | None = None
    applied: ApplyResult | None = None
    drifted: tuple[Change, ...] | None = None
    notes: tuple[str, ...] = ()
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
    def plan(self) -> Plan | None:
        """The plan, if one could be made."""
        return None if self.planned is None else self.planned.plan

    @property
    def desired(self) -> Mapping[FlowId, Desired]:
        """All flows in Git."""
        return {} if self.planned is None else self.planned.desired

    @property
    def triggers(self) -> Mapping[FlowId, Sequence[TriggerChange]]:
        """The effect of the changes on triggers, by flow."""
        return {} if self.planned is None else self.planned.triggers

    @property
    def trigger_checks(self) -> tuple[TriggerCheck, ...]:
        """The state of triggers after the apply."""
        return () if self.applied is None else self.applied.triggers

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why guards refuse the plan; they do not apply to drift."""
        if self.planned is None or self.drifted is not None:
            return ()
        return self.planned.refusals

    @property
    def outcomes(self) -> tuple[Outcome, ...] | None:
        """The outcome of each write; ``None`` if nothing was to be written."""
        return None if self.applied is None else self.applied.done.outcomes

    @property
    def restored(self) -> tuple[Restored, ...]:
        """What was rolled back, and what was not."""
        return () if self.applied is None else self.applied.done.restored

    @property
    def declined(self) -> bool:
        """Whether the confirmation was declined."""
        return self.applied is not None and self.applied.declined

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes to show: writes, and edits by others."""
        if self.drifted is not None:
            return self.drifted
        if self.plan is None:
            return ()
        from kestra_sync.report.lines import is_alert

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
        """The names of the environments."""
        return (*(each.environment or "" for each in self.reports), *self.not_attempted)
