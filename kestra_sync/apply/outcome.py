"""The outcome of a plan: of each change, of each rollback, and of the run as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kestra_sync.errors import ExitCode
from kestra_sync.model import Change, StrEnum


class ChangeStatus(StrEnum):
    """How a change ended; stable in the JSON."""

    APPLIED = "applied"
    FAILED = "failed"
    CONFLICT = "conflict"
    NOT_ATTEMPTED = "not-attempted"


@dataclass(frozen=True)
class Outcome:
    """One change and how it ended.

    :param revision: the revision that the server has now, where it is known.
    :param message: what went wrong, or what else there is to say; ``""`` if nothing.
    :param error: the exception behind a failure.
    :param unsure: the write may have happened although it could not be confirmed.
    :param written: our write went through, regardless of what others did before or after it.
    """

    change: Change
    status: ChangeStatus
    revision: int | None = None
    message: str = ""
    error: Exception | None = None
    unsure: bool = False
    written: bool = False


class Undo(StrEnum):
    """How taking back one write ended; stable in the JSON."""

    RESTORED = "restored"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True)
class Restored:
    """One write to roll back.

    :param revision: the server's revision of the restored source, where there is one.
    :param message: why it could not be rolled back, or another note.
    """

    change: Change
    undo: Undo
    revision: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Done:
    """What an apply has done.

    :param outcomes: one for each write of the plan; empty if nothing was attempted.
    :param restored: what was rolled back after a failure, and what could not be.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    :param notes: additional messages, such as a record that could not be stored.
    :param incomplete: something other than a flow could not be written: the record.
    :param red: the smoke tests failed: one has failed, or running them crashed.
    :param recorded: what was recorded beside the writes, a sentence each.
    """

    outcomes: tuple[Outcome, ...] = ()
    restored: tuple[Restored, ...] = ()
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    incomplete: bool = False
    red: bool = False
    recorded: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """How the history names the result."""
        if self.interrupted:
            return "interrupted"
        if self.restored:
            return "rolled-back"
        if all(each.status is ChangeStatus.APPLIED for each in self.outcomes):
            return "applied"
        return "partial" if any(each.written for each in self.outcomes) else "failed"

    def exit_code(self, *, red: bool = False) -> ExitCode:
        """What the run says to the shell, unless it was interrupted.

        :param red: the smoke tests say that they are.
        """
        red = red or self.red
        if self.restored:
            code = rollback_code(self.restored, ExitCode.SMOKE_FAILED if red else ExitCode.FAILURE)
        else:
            code = exit_code(self.outcomes)
            if red and code is ExitCode.OK:
                code = ExitCode.SMOKE_FAILED
        half = code in (ExitCode.OK, ExitCode.SMOKE_FAILED) or bool(self.restored)
        return ExitCode.PARTIAL if half and self.incomplete else code


def exit_code(outcomes: tuple[Outcome, ...]) -> ExitCode:
    """What a run with these outcomes says to the shell.

    A conflict takes precedence over a partial apply: its remedy, to review the other edit, comes
    first.
    """
    by_status = {
        status: [each for each in outcomes if each.status is status] for status in ChangeStatus
    }
    failed = by_status[ChangeStatus.FAILED]
    if by_status[ChangeStatus.CONFLICT] and not failed:
        return ExitCode.CONFLICT
    if failed:
        if by_status[ChangeStatus.APPLIED] or any(each.written or each.unsure for each in outcomes):
            return ExitCode.PARTIAL
        codes = {getattr(each.error, "exit_code", ExitCode.FAILURE) for each in failed}
        return codes.pop() if len(codes) == 1 else ExitCode.FAILURE
    return ExitCode.PARTIAL if by_status[ChangeStatus.NOT_ATTEMPTED] else ExitCode.OK


def rollback_code(results: Iterable[Restored], red: ExitCode) -> ExitCode:
    """``red`` if everything was rolled back, else 6: partial changes are left."""
    complete = all(each.undo is Undo.RESTORED for each in results)
    return red if complete else ExitCode.PARTIAL
