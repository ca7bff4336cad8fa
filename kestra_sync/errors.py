"""The exceptions that end a run, each with its exit code.

Only the command line turns them into messages and exit codes; every other module raises them
or lets them pass. What the server says is a tree of its own below :class:`KestraSyncError`, in
:mod:`kestra_sync.client.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to the shell. Documented in ``docs/exit-codes.md``, and stable."""

    OK = 0
    FAILURE = 1
    CHANGES = 2
    INVALID = 3
    REFUSED = 4
    CONFLICT = 5
    PARTIAL = 6
    SMOKE_FAILED = 7
    USAGE = 64
    UNREACHABLE = 69
    BUG = 70
    NOT_ALLOWED = 77
    INTERRUPTED = 130


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The code of a run over several environments: the greatest, but 1 counts more than 2."""
    return max(
        codes, key=lambda code: 2.5 if code is ExitCode.FAILURE else code, default=ExitCode.OK
    )


class KestraSyncError(Exception):
    """Base of everything kestra-sync raises on purpose.

    :param message: what is wrong, in one sentence, without secrets.
    :param remedy: what to do about it, if known.
    """

    exit_code: ExitCode = ExitCode.FAILURE

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(KestraSyncError):
    """Options, arguments, environment or configuration that make no sense (exit 64)."""

    exit_code = ExitCode.USAGE


class RefusedError(KestraSyncError):
    """A guard refuses the plan (exit 4)."""

    exit_code = ExitCode.REFUSED


class ConflictError(KestraSyncError):
    """The server, the files or the plan are not what they were when we looked (exit 5)."""

    exit_code = ExitCode.CONFLICT
