"""Writes an append-only log file of all writes, so that a killed run can be traced."""

from __future__ import annotations

import errno
import json
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from kestra_sync.apply.run import Outcome
from kestra_sync.errors import UsageError
from kestra_sync.inventory.record import now
from kestra_sync.model import Change, sha256
from kestra_sync.safe.paths import append_to

#: Errors of fsync on files that are not on a disk: a pipe, a terminal, /dev/null.
_NOTHING_TO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})


class Journal:
    """A journal file, open for the length of a run. Safe to use from several threads.

    It is for diagnosis only: if a line cannot be written (a full disk), the run continues without
    the journal, and :attr:`broken` has the reason.

    Each line is a JSON object with ``time``, ``run``, ``event`` (``begin``, ``intend``, the
    status of an outcome, ``rolling-back``, the result of a rollback, ``end``) and, for a write,
    ``flow``, ``action``, ``before_sha256``, ``after_sha256`` and ``revision``.

    :raises UsageError: the file cannot be opened for appending.
    """

    def __init__(self, path: str) -> None:
        try:
            self._file = append_to(path)
        except OSError as error:
            raise UsageError(
                f"cannot write the journal {path}: {error.strerror}",
                remedy="pass --journal a file in an existing, writable directory",
            ) from error
        self._lock = threading.Lock()
        self._run = uuid.uuid4().hex
        self.broken = ""
        """Why the journal ended before the run; ``""`` if it did not."""

    def event(self, event: str, **members: object) -> None:
        """Append a line and flush it to disk. Never raises."""
        line = {"time": now(), "run": self._run, "event": event, **members}
        with self._lock:
            if self.broken:
                return
            try:
                self._file.write(f"{json.dumps(line)}\n".encode())
                self._file.flush()
                self._sync()
            except Exception as error:
                self.broken = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in _NOTHING_TO_SYNC:
                raise

    def change(self, change: Change, event: str, **members: object) -> None:
        """Append a line about one flow."""
        self.event(
            event,
            flow=str(change.flow_id),
            action=str(change.action),
            before_sha256=None if change.before is None else sha256(change.before),
            after_sha256=None if change.after is None else sha256(change.after),
            **members,
        )

    def around(self, write: Callable[[Change], Outcome]) -> Callable[[Change], Outcome]:
        """Wrap ``write`` so that a line is logged before and after each write."""

        def journaled(change: Change) -> Outcome:
            self.change(change, "intend")
            outcome = write(change)
            self.change(
                change, str(outcome.status), revision=outcome.revision, message=outcome.message
            )
            return outcome

        return journaled

    def __enter__(self) -> Journal:  # noqa: PYI034 - Self is of Python 3.11
        self.event("begin", pid=os.getpid())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.event("end", error=None if error is None else type(error).__name__)
        with suppress(OSError, ValueError):  # closing tries to flush once more
            self._file.close()
