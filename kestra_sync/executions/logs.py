"""Reads the logs of an execution, which are only complete shortly after its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kestra_sync.client.errors import KestraError
from kestra_sync.client.logs import LogEntry
from kestra_sync.executions.follow import CLOCK, LOG, Clock
from kestra_sync.executions.server import LogCalls
from kestra_sync.safe.secrets import Masker

IDLE_TIMEOUT = 8.0
"""Seconds to wait for a message that may still be on its way, after the last one that came.

Under load the log of a real server stood still for 6 seconds. What is there is returned at once.
"""
TOTAL_TIMEOUT = 30.0
"""Seconds to wait for all of them: a server may take its time with thousands."""
LINES = 12
"""How many of the last lines are shown."""
LINE_LENGTH = 400
_SEARCHED = 20_000
QUIET = 2.0
"""Seconds without a new message after which nothing more is expected."""
_SETTLE = 0.5
_ERRORS = 3
_LOUD = frozenset({"INFO", "WARN", "ERROR"})

Entries = Sequence[LogEntry]


@dataclass(frozen=True)
class LogLine:
    """One line of the log of an execution."""

    time: str
    level: str
    task: str | None
    text: str


def read_logs(
    logs: LogCalls,
    execution_id: str,
    *,
    enough: Callable[[Entries], bool],
    settled: bool = False,
    clock: Clock = CLOCK,
) -> Entries:
    """Read the log; repeat until ``enough`` returns true, as long as new lines arrive.

    Never raises: a test can be evaluated without the log.

    :param settled: read until nothing has arrived for ``QUIET`` seconds, to prove absence.
    """
    begun = changed = clock.now()
    entries: Entries = ()
    before = -1
    pause = 0.1
    while True:
        try:
            entries = in_order(logs.get(execution_id))
        except KestraError as error:
            LOG.debug("the log of %s: %s", execution_id, error)
        now = clock.now()
        if before != len(entries):
            before, changed = len(entries), now
        if enough(entries) and (not settled or now - changed >= QUIET):
            return entries
        if now - changed >= IDLE_TIMEOUT or now - begun >= TOTAL_TIMEOUT:
            return entries
        clock.sleep(max(pause, _SETTLE) if settled else pause)
        pause = min(pause * 1.5, 1.0)


def in_order(entries: Entries) -> Entries:
    """Sort by time. The server omits trailing zeros: ``.5Z`` precedes ``.51Z``."""
    return sorted(entries, key=lambda entry: entry.timestamp.rstrip("Z"))


def found_in(pattern: str, entries: Entries) -> LogEntry | None:
    """Return the first message that matches the regular expression.

    :raises SlowPatternError: the search takes too long.
    """
    from kestra_sync.safe.patterns import Pattern

    compiled = Pattern(pattern)
    for entry in entries:
        if compiled.search(entry.message[:_SEARCHED]):
            return entry
    return None


def error_of(entries: Entries, task_run_id: str | None = None) -> str:
    """Return the error messages of a task run, or else the last one of all; ``""`` if none.

    A task often logs the cause first, and then that it failed.
    """
    errors = [entry for entry in entries if entry.level == "ERROR"]
    own = [entry.message for entry in errors if task_run_id and entry.task_run_id == task_run_id]
    last = own or [entry.message for entry in errors[-1:]]
    # Every attempt logs the same message.
    return "\n".join(list(dict.fromkeys(last))[-_ERRORS:])


def tail(entries: Entries, masker: Masker) -> tuple[LogLine, ...]:
    """Return the last lines. Debug output and stack traces only if there is nothing else."""
    loud = [entry for entry in entries if entry.level in _LOUD]
    found: list[LogLine] = []
    for entry in (loud or list(entries))[-LINES:]:
        found += [replace(each, text=_short(each.text)) for each in shown_entry(entry, masker)]
    return tuple(found[-LINES:])


def shown_entry(entry: LogEntry, masker: Masker) -> Iterator[LogLine]:
    """Return the lines of one message, safe to show; only the first has time and task."""
    first, *more = masker.clean(entry.message).splitlines() or [""]
    yield LogLine(time_of(entry), entry.level, entry.task_id, first)
    for each in more:
        yield LogLine("", entry.level, entry.task_id, each)


def time_of(entry: LogEntry) -> str:
    """Return the time of a timestamp: ``12:30:01.250``."""
    return entry.timestamp[11:23].rstrip("Z")


def _short(text: str) -> str:
    return text if len(text) <= LINE_LENGTH else f"{text[:LINE_LENGTH]}…"
