"""Removes the executions of a smoke test, with those of its subflows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from kestra_sync.client.errors import ConflictingState, KestraError, NotFound
from kestra_sync.client.execution import FINAL, Execution
from kestra_sync.client.executions import CORRELATION
from kestra_sync.executions.follow import CLOCK, LOG, Clock, await_end
from kestra_sync.executions.server import ExecutionServer
from kestra_sync.safe.secrets import Masker

_LINK = re.compile(r'\[\[link execution="([A-Za-z0-9_-]{1,64})"')
_MOST = 1000
_FIRE_AND_FORGET = 5.0
_REST = 0.4


@dataclass(frozen=True)
class Cleanup:
    """The result of the cleanup of an execution.

    :param deleted: the number of deleted executions, including those of subflows.
    :param problems: what could not be deleted, and why.
    """

    kept: bool
    deleted: int = 0
    problems: tuple[str, ...] = ()


def kill(
    server: ExecutionServer, execution: Execution, *, seconds: float, clock: Clock = CLOCK
) -> tuple[Execution, str]:
    """Kill an execution, and wait until it has ended.

    Never raises. Returns the execution afterwards, and the result in words.
    """
    deadline = clock.now() + seconds
    while True:
        try:
            server.executions.kill(execution.id)
            break
        except ConflictingState:
            break  # it ended just before
        except NotFound as error:
            # It may be too new to be visible yet.
            problem = str(error)
        except KestraError as error:
            problem = str(error)
        if clock.now() >= deadline:
            return execution, f"could not be killed: {problem}"
        clock.sleep(0.5)
    after = await_end(
        server.executions, execution, seconds=max(1.0, deadline - clock.now()), clock=clock
    )
    if after.state == "KILLED":
        return after, "killed"
    if after.is_final:
        return after, f"ended as {after.state} while being killed"
    return after, f"was killed, but is still {after.state}"


def remove(
    server: ExecutionServer,
    execution: Execution,
    masker: Masker,
    *,
    subflows: bool,
    restless: bool,
    kill_seconds: float,
    hurried: bool = False,
    clock: Clock = CLOCK,
) -> Cleanup:
    """Delete an execution with its logs, metrics and files, and all executions that it started.

    Never raises: the result lists what cannot be deleted.

    :param subflows: whether the flow calls others; if not, the search is skipped.
    :param restless: whether the server may still be busy with an execution that is over, because
        it was killed or has tasks that run after its end. Whatever then comes in brings an
        execution back that was deleted too early.
    :param hurried: the run is being interrupted: wait less.
    """
    found = {execution.id: execution}
    if restless:
        _await_rest(server, execution, clock, times=2 if hurried else 10)
    if subflows:
        _add_subflows(server, execution, found)
    deleted = 0
    problems = []
    # Those that were started last first, so that there are no dangling references.
    for each in reversed(found.values()):
        ended = _end(server, each, kill_seconds, clock, hurried=hurried)
        problem = _twice(partial(server.executions.delete, each.id), clock)
        if problem is not None:
            problems.append(masker.clean(f"execution {each.id} could not be deleted: {problem}"))
            continue
        deleted += 1
        if not ended.is_final:
            words = f"execution {each.id} was killed, and was {ended.state} when it was deleted"
            problems.append(masker.clean(words))
    if restless or len(found) > 1:
        clock.sleep(_REST)
        for known in reversed(found):
            _delete_again(server, known, clock)
    return Cleanup(kept=bool(problems), deleted=deleted, problems=tuple(problems))


def _await_rest(server: ExecutionServer, execution: Execution, clock: Clock, *, times: int) -> None:
    """Wait until nothing changes, for a few seconds at most."""
    before: object = None
    for _ in range(times):
        try:
            now = server.executions.get(execution.id)
        except KestraError as error:
            LOG.debug("waiting for %s to finish: %s", execution.id, error)
            return
        runs = [(run.id, run.state) for run in now.task_runs]
        if runs == before and all(state in FINAL for _id, state in runs):
            return
        before = runs
        clock.sleep(_REST)


def _delete_again(server: ExecutionServer, known: str, clock: Clock) -> None:
    """Delete executions that have reappeared, until there are none."""
    for _ in range(3):
        try:
            server.executions.get(known)
            server.executions.delete(known)
        except KestraError:
            return  # it does not exist, as intended
        clock.sleep(_REST)


def _end(
    server: ExecutionServer,
    execution: Execution,
    kill_seconds: float,
    clock: Clock,
    *,
    hurried: bool,
) -> Execution:
    """Return the execution after its end, if possible."""
    if not execution.is_final:
        # Subflows that the task does not wait for may still run. They get a moment to end.
        seconds = _REST if hurried else _FIRE_AND_FORGET
        execution = await_end(server.executions, execution, seconds=seconds, clock=clock)
        if not execution.is_final:
            execution, _ = kill(server, execution, seconds=kill_seconds, clock=clock)
    return execution


def _twice(delete: Callable[[], None], clock: Clock) -> str | None:
    problem = ""
    for pause in (1.0, 0.0):
        try:
            delete()
        except NotFound:
            return None  # also after a lost response
        except KestraError as error:
            problem = str(error)
        else:
            return None
        clock.sleep(pause)
    return problem


def _add_subflows(server: ExecutionServer, root: Execution, found: dict[str, Execution]) -> None:
    """Add the executions that ``root`` started, directly or indirectly.

    Kestra 2.0 finds all of it by the label. Before, a task run has the execution it started, but a
    loop over files has its executions only in the log. Logs are not trusted: only the server's own
    label makes an execution one of ours.
    """
    try:
        found.update((each.id, each) for each in server.executions.started_by(root))
    except KestraError as error:
        LOG.debug("subflow executions of execution %s: %s", root.id, error)
    ours = root.labels.get(CORRELATION, root.id)
    pending = [root]
    seen = set(found)
    while pending and len(found) < _MOST:
        for known in _mentioned(server, pending.pop()):
            if known in seen:
                continue
            seen.add(known)
            try:
                execution = server.executions.get(known)
            except KestraError as error:
                LOG.debug("subflow execution %s: %s", known, error)
                continue
            if execution.labels.get(CORRELATION) == ours:
                found[known] = execution
                pending.append(execution)


def _mentioned(server: ExecutionServer, execution: Execution) -> Iterator[str]:
    for run in execution.task_runs:
        started = run.outputs.get("executionId")
        if isinstance(started, str):
            yield started
    if any("iterations" in run.outputs for run in execution.task_runs):
        try:
            entries = server.logs.get(execution.id)
        except KestraError as error:
            LOG.debug("the log of %s: %s", execution.id, error)
            return
        for entry in entries:
            yield from _LINK.findall(entry.message)
