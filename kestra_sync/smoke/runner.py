"""Runs smoke tests in parallel, and always cleans up."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kestra_sync.client.execution import Execution
from kestra_sync.executions.follow import LOG
from kestra_sync.executions.server import ExecutionServer
from kestra_sync.model import FlowId
from kestra_sync.observer import SILENT, Observer, unfailing
from kestra_sync.safe.secrets import Masker
from kestra_sync.smoke.case import CaseListeners, run_case
from kestra_sync.smoke.progress import SmokeObserver, smoke_observer
from kestra_sync.smoke.result import (
    NOT_DUE,
    FailureKind,
    SmokeFailure,
    SmokeResult,
    SmokeRun,
    SmokeVerdict,
)
from kestra_sync.smoke.selection import Calls, is_due
from kestra_sync.smoke.spec import SmokeSettings, SmokeSpec


def run_smoke(
    client: ExecutionServer,
    specs: Sequence[SmokeSpec],
    written: Mapping[FlowId, int | None] | None,
    calls: Calls,
    *,
    settings: SmokeSettings,
    observer: Observer = SILENT,
    stop: threading.Event | None = None,
) -> SmokeResult:
    """Run the tests that are due.

    On ``^C`` no further test starts; running ones are killed, their executions are deleted, and
    the result is ``interrupted``. A second ``^C`` skips that cleanup.

    :param written: the flows that this apply wrote, with their new revisions if known; ``None``
        runs all tests.
    :param stop: the same as ``^C``, when it is set, for callers that handle the signal differently.
    :param calls: which flows each flow calls (see :func:`kestra_sync.smoke.selection.calls_from`).
    """
    run = _Run(
        client,
        tuple(specs),
        written,
        settings,
        smoke_observer(observer),
        stop or threading.Event(),
    )
    for index, spec in enumerate(specs):
        if written is None or is_due(spec, written, calls):
            run.waiting.append(index)
        else:
            run.done[index] = SmokeRun(spec, SmokeVerdict.SKIPPED, reason=NOT_DUE)
    begun = time.monotonic()
    unfailing(run.observer.smoke_begin, tuple(specs[index] for index in run.waiting))
    run.names = {index: number for number, index in enumerate(run.waiting)}
    try:
        interrupted = run.work()
    finally:
        unfailing(run.observer.smoke_end)
    return SmokeResult(
        runs=tuple(run.done.get(index) or run.unfinished(index) for index in range(len(specs))),
        run_id=settings.run_id,
        commit=settings.commit,
        seconds=time.monotonic() - begun,
        interrupted=interrupted,
    )


#: Seconds after ``^C`` to end the executions before giving up.
INTERRUPTED_FOR = 4.5


@dataclass
class _Run:
    """The tests of one run, shared by the threads that work on them.

    :param names: the number of each test among those that run, for observers.
    :param threads: each with an event that is set when it is done.
    """

    server: ExecutionServer
    specs: tuple[SmokeSpec, ...]
    written: Mapping[FlowId, int | None] | None
    settings: SmokeSettings
    observer: SmokeObserver
    stop: threading.Event
    waiting: deque[int] = field(default_factory=deque)
    names: dict[int, int] = field(default_factory=dict)
    done: dict[int, SmokeRun] = field(default_factory=dict)
    live: dict[int, Execution] = field(default_factory=dict)
    threads: list[tuple[threading.Thread, threading.Event]] = field(default_factory=list)

    def work(self) -> bool:
        """Start the threads and wait for them. Return whether the run was interrupted."""
        announced = False
        give_up = math.inf
        try:
            self._start()
        except KeyboardInterrupt:
            self.stop.set()
            time.sleep(0.05)  # a thread that has just been started gets to say so
        while waiting_for := self._at_work():
            try:
                if self.stop.is_set() and not announced:
                    announced = True
                    give_up = time.monotonic() + INTERRUPTED_FOR
                    unfailing(self.observer.note, "interrupted: ending the running executions")
                    self._kill_all()
                if time.monotonic() > give_up:
                    unfailing(self.observer.note, "the server does not kill them: giving up")
                    break
                # With a time limit: on Windows a wait without one cannot be interrupted.
                waiting_for[0].wait(0.2)
            except KeyboardInterrupt:
                if self.stop.is_set():
                    note = "interrupted again: executions may not have been removed"
                    unfailing(self.observer.note, note)
                    break
                self.stop.set()
        return self.stop.is_set()

    def _start(self) -> None:
        for _ in range(min(max(1, self.settings.parallelism), len(self.waiting))):
            over = threading.Event()
            # Daemons: after a second ^C nothing must wait for a server that does not respond.
            thread = threading.Thread(target=self._work_on, args=(over,), daemon=True)
            self.threads.append((thread, over))
            thread.start()

    def _at_work(self) -> list[threading.Event]:
        """Return the events of the threads that have been started and are not done.

        Not by joining: in Python 3.10 and 3.11 a join interrupted by ^C marks the thread as
        finished.
        """
        return [
            over for thread, over in self.threads if thread.ident is not None and not over.is_set()
        ]

    def unfinished(self, index: int) -> SmokeRun:
        """Return the result of a test that was not started, or abandoned."""
        execution = self.live.get(index)
        if execution is None:
            return SmokeRun(self.specs[index], SmokeVerdict.INTERRUPTED)
        words = "given up: the execution may still be running, and is not deleted"
        return SmokeRun(
            self.specs[index],
            SmokeVerdict.INTERRUPTED,
            execution_id=execution.id,
            revision=execution.revision,
            failures=(SmokeFailure(FailureKind.SERVER, words),),
        )

    def _work_on(self, over: threading.Event) -> None:
        try:
            self._work()
        finally:
            over.set()

    def _work(self) -> None:
        while not self.stop.is_set():
            try:
                index = self.waiting.popleft()
            except IndexError:
                return
            try:
                done = self._one(index)
            except BaseException as bug:  # a failure: in a thread it would be lost
                LOG.debug("a test crashed", exc_info=bug)
                words = f"the test crashed: {type(bug).__name__}: {Masker().clean(str(bug))}"
                failure = SmokeFailure(FailureKind.SERVER, words)
                done = SmokeRun(self.specs[index], SmokeVerdict.ERROR, failures=(failure,))
            self.done[index] = done
            unfailing(self.observer.smoke_done, self.names[index], done)

    def _one(self, index: int) -> SmokeRun:
        spec = self.specs[index]
        number = self.names[index]
        watch = CaseListeners(
            started=lambda execution: self.live.update({index: execution}),
            changed=lambda words: unfailing(self.observer.smoke_running, number, words),
            stop=self.stop,
        )
        revision = (self.written or {}).get(spec.flow)
        return run_case(self.server, spec, revision=revision, settings=self.settings, watch=watch)

    def _kill_all(self) -> None:
        """Kill all executions, without waiting, to wake the threads that wait for them."""
        for index, execution in list(self.live.items()):
            if index not in self.done:
                threading.Thread(target=self._kill, args=(execution,), daemon=True).start()

    def _kill(self, execution: Execution) -> None:
        try:
            self.server.executions.kill(execution.id)
        except Exception as error:
            # Its own thread tries again and reports the result.
            LOG.debug("killing %s: %s", execution.id, error)
