"""Finds the task that made an execution fail, through subflows down to the root cause."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kestra_sync.client.errors import KestraError
from kestra_sync.client.execution import FINAL, Execution, TaskRun
from kestra_sync.client.executions import LOOP
from kestra_sync.executions.follow import CLOCK, LOG, Clock
from kestra_sync.executions.logs import Entries, error_of, read_logs
from kestra_sync.executions.server import ExecutionServer
from kestra_sync.safe.secrets import Masker

_DEEPEST = 5
_FAILED = frozenset({"FAILED", "KILLED", "CANCELLED"})


@dataclass(frozen=True)
class Culprit:
    """The task that failed in an execution, or at which it hangs.

    :param chain: the path to it through subflows: task, flow, task, …
    :param error: its last error message; ``""`` if there is none.
    """

    chain: tuple[str, ...]
    state: str
    error: str = ""


@dataclass(frozen=True)
class FailedTask:
    """The failed task, and the log of its execution."""

    culprit: Culprit | None
    entries: Entries


def find_culprit(
    server: ExecutionServer,
    execution: Execution,
    masker: Masker,
    *,
    entries: Entries | None = None,
    clock: Clock = CLOCK,
) -> FailedTask:
    """Find the task that failed, or the current task of a running execution.

    Follows failed subflows into their executions. Never raises: stops at what cannot be read.

    :param entries: the log of ``execution``, if already read.
    """
    chain: list[str] = []
    started = _Started(server, execution)
    while True:
        run = guilty(execution)
        below = None if run is None else started.of(run)
        if run is not None:
            value = run.value if below is None or below.loop_value is None else below.loop_value
            chain.append(run.task_id if value is None else f"{run.task_id}[{value[:60]}]")
        if below is None or run is None or len(chain) >= _DEEPEST * 2:
            break
        if below.kind != LOOP:  # an iteration belongs to the same flow
            chain.append(str(below.flow_id))
        execution, entries = below, None
    if entries is None:
        # Only wait for the message of a failure.
        failed = execution.state == "FAILED"
        entries = read_logs(
            server.logs,
            execution.id,
            enough=lambda found: not failed or bool(error_of(found)),
            clock=clock,
        )
    error = error_of(entries, run.id if run else None)
    if not chain and not error:
        return FailedTask(None, entries)
    state = run.state if run is not None else execution.state
    shown = tuple(masker.clean(each, 200) for each in chain)
    return FailedTask(Culprit(shown, state, masker.clean(error, 1000)), entries)


def guilty(execution: Execution) -> TaskRun | None:
    """Return the innermost failed task run, or the current one of a running execution.

    A group fails because of its children, and precedes them in the list.
    """
    states = _FAILED if execution.is_final else None
    parents = _parents(execution)
    bad = [
        run
        for run in execution.task_runs
        if (run.state in states if states else run.state not in FINAL)
    ]
    inner = [run for run in bad if not any(parents.get(other.id) == run.id for other in bad)]
    # The first failure causes the others.
    return min(inner, key=lambda run: run.end or "~", default=None)


def _parents(execution: Execution) -> dict[str, str]:
    runs = execution.raw.get("taskRunList")
    return {
        str(run.get("id")): str(run["parentTaskRunId"])
        for run in (runs if isinstance(runs, list) else ())
        if isinstance(run, dict) and run.get("parentTaskRunId")
    }


class _Started:
    """The executions that the task runs of ``root`` and of those below it have started."""

    def __init__(self, server: ExecutionServer, root: Execution) -> None:
        self._server = server
        self._root = root

    def of(self, run: TaskRun) -> Execution | None:
        """Return the execution that ``run`` started, if it is relevant."""
        try:
            known = run.outputs.get("executionId") or self._found.get(run.id)
            execution = self._server.executions.get(known) if isinstance(known, str) else None
        except KestraError as error:
            LOG.debug("subflow executions of task run %s: %s", run.id, error)
            return None
        return execution if execution is not None and execution.state != "SUCCESS" else None

    @cached_property
    def _found(self) -> dict[str, str]:
        """Map task runs to their failed execution, or else to a running one."""
        every = self._server.executions.started_by(self._root)
        # Of the iterations of a loop the first failure counts, as it does for task runs.
        going = [each for each in every if not each.is_final]
        failed = [each for each in every if each.state in _FAILED]
        # Of the iterations of a loop the first failure counts, so it comes last here.
        failed.sort(key=lambda each: each.end or "~", reverse=True)
        return {each.started_by: each.id for each in (*going, *failed) if each.started_by}


def in_short(execution: Execution) -> str:
    """``RUNNING, task load``."""
    run = None if execution.is_final else guilty(execution)
    return execution.state if run is None else f"{execution.state}, task {run.task_id}"
