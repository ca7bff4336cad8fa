"""The outcome of each change of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.errors import ExitCode
from kestra_sync.model import Change, StrEnum


class Status(StrEnum):
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
    status: Status
    revision: int | None = None
    message: str = ""
    error: Exception | None = None
    unsure: bool = False
    written: bool = False


def exit_code(outcomes: tuple[Outcome, ...]) -> ExitCode:
    """What a run with these outcomes says to the shell.

    A conflict takes precedence over a partial apply: its remedy, to review the other edit, comes
    first.
    """
    by_status = {status: [each for each in outcomes if each.status is status] for status in Status}
    failed = by_status[Status.FAILED]
    if by_status[Status.CONFLICT] and not failed:
        return ExitCode.CONFLICT
    if failed:
        if by_status[Status.APPLIED] or any(each.written or each.unsure for each in outcomes):
            return ExitCode.PARTIAL
        codes = {getattr(each.error, "exit_code", ExitCode.FAILURE) for each in failed}
        return codes.pop() if len(codes) == 1 else ExitCode.FAILURE
    return ExitCode.PARTIAL if by_status[Status.NOT_ATTEMPTED] else ExitCode.OK
