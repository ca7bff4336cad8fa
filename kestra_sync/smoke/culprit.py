"""Finds the task at which an execution failed, through subflows down to the one that began it."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.kestra.errors import KestraError
from kestra_sync.kestra.execution import Execution, TaskRun
from kestra_sync.kestra.states import FINAL
from kestra_sync.smoke.follow import CLOCK, LOG, Clock
from kestra_sync.smoke.logs import Entries, error_of, read_logs
from kestra_sync.smoke.masking import Masker
from kestra_sync.smoke.result import Culprit
from kestra_sync.smoke.server import SmokeServer

_DEEPEST = 5
_FAILED = frozenset({"FAILED", "KILLED", "CANCELLED"})


@dataclass(frozen=True)
class Found:
    """The task, and the log of the execution that it belongs to."""

    culprit: Culprit | None
    entries: Entries


def find_culprit(
    server: SmokeServer,
    execution: Execution,
    masker: Masker,
    *,
    entries: Entries | None = None,
    clock: Clock = CLOCK,
) -> Found:
    """Where a failed execution failed, or where one that goes on is.

    Follows a failed subflow into its own execution. Never raises: what cannot be read ends the way.

    :param entries: the log of ``execution``, if it has been read.
    """
    chain: list[str] = []
    while True:
        run = guilty(execution)
        below = None if run is None else _subflow(server, run)
        if run is not None:
            chain.append(run.task_id if run.value is None else f"{run.task_id}[{run.value[:60]}]")
        if below is None or run is None or len(chain) >= _DEEPEST * 2:
            break
        chain.append(str(below.flow_id))
        execution, entries = below, None
    if entries is None:
        # Only a failure has a message that is worth waiting for.
        failed = execution.state == "FAILED"
        entries = read_logs(
            server.logs,
            execution.id,
            enough=lambda found: not failed or bool(error_of(found)),
            clock=clock,
        )
    error = error_of(entries, run.id if run else None)
    if not chain and not error:
        return Found(None, entries)
    state = run.state if run is not None else execution.state
    shown = tuple(masker.clean(each, 200) for each in chain)
    return Found(Culprit(shown, state, masker.clean(error, 1000)), entries)


def guilty(execution: Execution) -> TaskRun | None:
    """The innermost task run that failed; of an execution that goes on, the one it is at.

    A group fails because of what is in it, and comes before it in the list.
    """
    states = _FAILED if execution.is_final else None
    parents = _parents(execution)
    bad = [
        run
        for run in execution.task_runs
        if (run.state in states if states else run.state not in FINAL)
    ]
    inner = [run for run in bad if not any(parents.get(other.id) == run.id for other in bad)]
    # The first failure is what made the others fail.
    return min(inner, key=lambda run: run.end or "~", default=None)


def _parents(execution: Execution) -> dict[str, str]:
    runs = execution.raw.get("taskRunList")
    return {
        str(run.get("id")): str(run["parentTaskRunId"])
        for run in (runs if isinstance(runs, list) else ())
        if isinstance(run, dict) and run.get("parentTaskRunId")
    }


def _subflow(server: SmokeServer, run: TaskRun) -> Execution | None:
    """The execution that a task run has started, if it is the one to look at."""
    started = run.outputs.get("executionId")
    if not isinstance(started, str):
        return None
    try:
        execution = server.executions.get(started)
    except KestraError as error:
        LOG.debug("subflow execution %s: %s", started, error)
        return None
    return execution if execution.state != "SUCCESS" else None
