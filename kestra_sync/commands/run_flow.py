"""``run``: runs a flow and waits for it to finish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kestra_sync.client.client import connect
from kestra_sync.client.errors import KestraError
from kestra_sync.client.execution import Execution
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.duration import parse_duration
from kestra_sync.executions.follow import LOG
from kestra_sync.executions.logs import LogLine, shown_entry, tail
from kestra_sync.executions.manual import ExecutionRequest, parse_inputs, parse_pairs, start, wait
from kestra_sync.executions.server import page_of
from kestra_sync.executions.subject import look_at, unknown_inputs
from kestra_sync.model import FlowId
from kestra_sync.safe.secrets import Masker
from kestra_sync.settings import Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

GOOD_STATES = frozenset({"SUCCESS", "WARNING"})


@dataclass(frozen=True)
class Listener:
    """Is notified of the progress of an execution. Called from several threads.

    :param started: is called once it has started, with its page in the UI.
    :param changed: is called after a change: ``RUNNING, task load``.
    :param logged: is called with each log line; ``None`` if not needed.
    """

    started: Callable[[Execution, str], None] = lambda _execution, _url: None
    changed: Callable[[str], None] = lambda _words: None
    logged: Callable[[LogLine], None] | None = None


@dataclass(frozen=True)
class RunResult:
    """An execution started by a user, and how it ended.

    :param waited: whether the command waited for its end.
    :param culprit: the task that failed, or the current task if it is still running.
    :param log: the last lines, if it failed.
    """

    execution: Execution
    url: str
    masker: Masker
    waited: bool
    culprit: Culprit | None = None
    log: tuple[LogLine, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0 if it succeeded, or if the command did not wait; else 1."""
        if not self.waited or self.execution.state in GOOD_STATES:
            return ExitCode.OK
        return ExitCode.FAILURE


def order_from(
    flow: str,
    *,
    inputs: Sequence[str] = (),
    labels: Sequence[str] = (),
    revision: int | None = None,
    schedule_date: str | None = None,
    breakpoints: Sequence[str] = (),
    kind: str | None = None,
) -> ExecutionRequest:
    """Parse the arguments of ``run``.

    :raises UsageError: an argument is not valid.
    """
    namespace, slash, flow_id = flow.partition("/")
    if not (namespace and slash and flow_id) or "/" in flow_id:
        raise UsageError(
            f"not a flow: {flow}", remedy="write namespace/id, such as company.team/flow"
        )
    return ExecutionRequest(
        FlowId(namespace, flow_id),
        parse_inputs(inputs),
        parse_pairs(labels, "--label"),
        revision,
        schedule_date,
        tuple(breakpoints),
        kind,
    )


def run_flow(
    settings: Settings,
    order: ExecutionRequest,
    *,
    waits: bool = True,
    timeout: str | None = None,
    listener: Listener | None = None,
) -> RunResult:
    """Start a flow, and wait for its end unless ``waits`` is false.

    :param timeout: how long to wait, such as ``5m``; the execution keeps running afterwards.
    :raises UsageError: the timeout or an input is not valid.
    :raises KestraError: it could not be started, or the server cannot be reached.
    """
    seconds = _seconds(timeout)
    listener = listener or Listener()
    with connect(settings.connection, settings.parallelism) as client:
        client.server_info()  # a server that is too old is rejected before anything is started
        masker = Masker(_checked_inputs(client, order))
        started = start(client, order)
        url = page_of(client, started)
        listener.started(started, url)
        if not waits:
            return RunResult(started, url, masker, waited=False)
        ended = _follow(client, started, seconds, listener, masker)
        ran = RunResult(ended, url, masker, waited=True)
        return ran if ended.state in GOOD_STATES else _explained(client, ran)


def _seconds(timeout: str | None) -> float | None:
    if timeout is None:
        return None
    try:
        return parse_duration(timeout)
    except ValueError:
        raise UsageError(
            f"not a duration: {timeout}", remedy="write it as 20s, 5m or 1h30m"
        ) from None


def _checked_inputs(client: KestraClient, order: ExecutionRequest) -> tuple[str, ...]:
    """Check the inputs, and return the secrets among them.

    :raises UsageError: the flow has no such input; Kestra would ignore it silently.
    """
    try:
        subject = look_at(client, order.flow, order.inputs, order.revision)
    except KestraError as error:
        # An account that can run a flow may not be allowed to read it. Starting it reports any
        # errors.
        LOG.debug("reading %s: %s", order.flow, error)
        return ()
    for name, words in unknown_inputs(order.inputs, subject.inputs):
        raise UsageError(f"-i {name}: {words}")
    return subject.secrets


def _follow(
    client: KestraClient,
    started: Execution,
    seconds: float | None,
    listener: Listener,
    masker: Masker,
) -> Execution:
    from kestra_sync.executions.culprit import in_short

    thread: threading.Thread | None = None

    def changed(execution: Execution) -> None:
        nonlocal thread
        listener.changed(in_short(execution))
        # The server has no log yet for an execution that it cannot find.
        if thread is None and listener.logged is not None:
            thread = threading.Thread(
                target=_listen, args=(client, execution.id, listener.logged, masker), daemon=True
            )
            thread.start()

    ended = wait(client, started, timeout=seconds, on_change=changed)
    if thread is not None and ended.is_final:
        thread.join(10.0)
    return ended


def _listen(
    client: KestraClient, known: str, logged: Callable[[LogLine], None], masker: Masker
) -> None:
    try:
        for entry in client.logs.follow(known):
            for each in shown_entry(entry, masker):
                logged(each)
    except KestraError as error:
        LOG.debug("the log of %s: %s", known, error)


def _explained(client: KestraClient, ran: RunResult) -> RunResult:
    from kestra_sync.executions.culprit import find_culprit

    found = find_culprit(client, ran.execution, ran.masker)
    log = tail(found.entries, ran.masker)
    return RunResult(ran.execution, ran.url, ran.masker, ran.waited, found.culprit, log)
