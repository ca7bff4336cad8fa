"""One smoke test, from its start to the removal of its execution."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from kestra_sync.client.errors import (
    ApiError,
    KestraError,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from kestra_sync.client.execution import Execution
from kestra_sync.errors import KestraSyncError
from kestra_sync.executions.cleanup import Cleanup, kill, remove
from kestra_sync.executions.culprit import find_culprit, in_short
from kestra_sync.executions.duration import format_limit, iso_seconds
from kestra_sync.executions.follow import CLOCK, LOG, Clock, StillRunning, follow_to_end
from kestra_sync.executions.logs import Entries, found_in, read_logs, tail
from kestra_sync.executions.server import ExecutionServer, page_of
from kestra_sync.executions.subject import Subject, look_at, unknown_inputs
from kestra_sync.safe.secrets import Masker
from kestra_sync.smoke.expectations import failures_of
from kestra_sync.smoke.result import FailureKind, SmokeFailure, SmokeRun, SmokeVerdict
from kestra_sync.smoke.spec import Keep, SmokeSettings, SmokeSpec

RUN_LABEL = "kestra-sync.run"
COMMIT_LABEL = "kestra-sync.commit"
TEST_KIND = "TEST"
_START_WITHIN = 30.0

#: Seconds that a killed execution may take to end while the run is being interrupted.
HURRIED_KILL = 2.0

_AT_TIMEOUT = {
    "PAUSED": "PAUSED until it is resumed",
    "BREAKPOINT": "suspended at a breakpoint until it is resumed",
    "QUEUED": "QUEUED behind other executions of its flow",
}


@dataclass(frozen=True)
class CaseListeners:
    """The listeners of a test while it runs.

    :param started: is called when an execution was started, which must then be ended.
    :param changed: is called after a change: ``RUNNING, task load``.
    :param stop: set when tests are to end early.
    """

    started: Callable[[Execution], None]
    changed: Callable[[str], None]
    stop: threading.Event


def run_case(
    server: ExecutionServer,
    spec: SmokeSpec,
    *,
    revision: int | None,
    settings: SmokeSettings,
    watch: CaseListeners,
    clock: Clock = CLOCK,
) -> SmokeRun:
    """Run one test. Failures are part of the result; never raises.

    :param revision: the deployed revision of the flow; ``None`` uses the current one.
    """
    masker = Masker()
    subject: Subject | None = None
    try:
        subject = look_at(server, spec.flow, spec.inputs, revision)
        masker = Masker(subject.secrets)
        if subject.off:
            return SmokeRun(
                spec, SmokeVerdict.SKIPPED, revision=subject.revision, reason=subject.off
            )
        for _, words in unknown_inputs(spec.inputs, subject.inputs):
            return _not_started(spec, subject, words, masker)
        deadline = clock.now() + spec.timeout
        started = _start(server, spec, subject, settings, deadline, clock)
    except NotFound:
        at = "" if revision is None else f" in revision {revision}"
        return _not_started(spec, subject, f"no such flow on the server{at}", masker)
    except KestraSyncError as error:
        words = error.server_message if isinstance(error, ApiError) else ""
        words = f"could not be started: {words or error.message}"
        if isinstance(error, KestraError) and error.may_have_written:
            words += f"; if it was, it has the label {RUN_LABEL}: {settings.run_id}"
        return _not_started(spec, subject, words, masker)
    except Exception as error:
        LOG.debug("the test of %s crashed", spec.flow, exc_info=error)
        words = f"could not be started: {type(error).__name__}: {error}"
        return _not_started(spec, subject, words, masker)
    watch.started(started)
    return _Test(server, spec, subject, settings, watch, clock, masker).finish(started, deadline)


def _not_started(spec: SmokeSpec, subject: Subject | None, words: str, masker: Masker) -> SmokeRun:
    failure = SmokeFailure(FailureKind.START, masker.clean(words))
    revision = subject.revision if subject is not None else None
    return SmokeRun(spec, SmokeVerdict.ERROR, revision=revision, failures=(failure,))


@dataclass(frozen=True)
class _Test:
    """A test whose execution has been started."""

    server: ExecutionServer
    spec: SmokeSpec
    subject: Subject
    settings: SmokeSettings
    watch: CaseListeners
    clock: Clock
    masker: Masker

    def finish(self, started: Execution, deadline: float) -> SmokeRun:
        """Follow the execution to its end, evaluate it, and remove it."""
        begun = self.clock.now()
        ended = started
        try:
            ended = follow_to_end(
                self.server.executions,
                started,
                deadline=deadline,
                on_change=lambda seen: self.watch.changed(in_short(seen)),
                stop=self.watch.stop,
                clock=self.clock,
            )
            run = self._judged(ended)
        except StillRunning as going:
            ended, run = self._still_going(going.execution)
        except KestraError as error:
            ended = started
            deleted = isinstance(error, NotFound)
            words = "the execution was deleted by someone else" if deleted else str(error)
            run = self._run(ended, SmokeVerdict.ERROR, self._failure(FailureKind.SERVER, words))
        except Exception as error:  # the execution must not be left behind
            LOG.debug("the test of %s crashed", self.spec.flow, exc_info=error)
            words = f"the test crashed: {type(error).__name__}: {error}"
            run = self._run(ended, SmokeVerdict.ERROR, self._failure(FailureKind.SERVER, words))
        seconds = iso_seconds(ended.duration) if ended.is_final else None
        run = replace(
            run,
            url=page_of(self.server, started),
            seconds=self.clock.now() - begun if seconds is None else seconds,
        )
        try:
            return replace(run, cleanup=self._clean_up(run, ended))
        except Exception as error:
            LOG.debug("the removal of %s failed", ended.id, exc_info=error)
            words = (
                f"execution {ended.id} may not have been removed: {type(error).__name__}: {error}"
            )
            return replace(run, cleanup=Cleanup(kept=True, problems=(self.masker.clean(words),)))

    def _judged(self, ended: Execution) -> SmokeRun:
        expect = self.spec.expect
        if expect.outputs:
            ended = self.server.executions.with_outputs(ended)
        entries: Entries | None = None
        if expect.logs_match or expect.logs_no_match:
            entries = read_logs(
                self.server.logs,
                ended.id,
                enough=lambda seen: all(found_in(each, seen) for each in expect.logs_match),
                settled=bool(expect.logs_no_match),
                clock=self.clock,
            )
        failures = failures_of(expect, ended, entries or (), self.masker)
        if self.subject.revision is not None and ended.revision not in (
            None,
            self.subject.revision,
        ):
            words = f"revision {ended.revision} was run instead of {self.subject.revision}"
            failures = (*failures, self._failure(FailureKind.START, words))
        if not failures:
            return self._run(ended, SmokeVerdict.PASSED)
        if self.watch.stop.is_set():
            return self._run(ended, SmokeVerdict.INTERRUPTED)
        return self._with_evidence(self._run(ended, SmokeVerdict.FAILED, *failures), ended, entries)

    def _still_going(self, execution: Execution) -> tuple[Execution, SmokeRun]:
        if self._hurried:
            ended, _ = self._kill(execution)
            return ended, self._run(ended, SmokeVerdict.INTERRUPTED)
        # The cause of the wait is only visible while it waits.
        run = self._with_evidence(self._run(execution, SmokeVerdict.TIMED_OUT), execution, None)
        self.watch.changed("timed out")
        ended, how = self._kill(execution)
        state = _AT_TIMEOUT.get(execution.state, f"still {execution.state or 'waiting to start'}")
        words = f"not finished after {format_limit(self.spec.timeout)}, {state}: {how}"
        return ended, replace(run, failures=(self._failure(FailureKind.TIMEOUT, words),))

    @property
    def _hurried(self) -> bool:
        """Whether the run is being interrupted."""
        return self.watch.stop.is_set()

    @property
    def _kill_seconds(self) -> float:
        limit = self.settings.kill_seconds
        return min(HURRIED_KILL, limit) if self._hurried else limit

    def _kill(self, execution: Execution) -> tuple[Execution, str]:
        return kill(self.server, execution, seconds=self._kill_seconds, clock=self.clock)

    def _with_evidence(
        self, run: SmokeRun, execution: Execution, entries: Entries | None
    ) -> SmokeRun:
        found = find_culprit(self.server, execution, self.masker, entries=entries, clock=self.clock)
        return replace(run, culprit=found.culprit, log=tail(found.entries, self.masker))

    def _run(
        self, execution: Execution, verdict: SmokeVerdict, *failures: SmokeFailure
    ) -> SmokeRun:
        return SmokeRun(
            self.spec,
            verdict,
            execution_id=execution.id,
            revision=execution.revision or self.subject.revision,
            state=execution.state or None,
            failures=failures,
        )

    def _failure(self, kind: FailureKind, words: str) -> SmokeFailure:
        return SmokeFailure(kind, self.masker.clean(words))

    def _clean_up(self, run: SmokeRun, ended: Execution) -> Cleanup:
        keep = self.settings.keep or self.spec.keep
        bad = run.verdict in (SmokeVerdict.FAILED, SmokeVerdict.TIMED_OUT, SmokeVerdict.ERROR)
        if keep is Keep.ALWAYS or (keep is Keep.ON_FAILURE and bad):
            return Cleanup(kept=True)
        return remove(
            self.server,
            ended,
            self.masker,
            subflows=self.subject.calls_others,
            restless=self.subject.after_end or ended.state in ("KILLED", "KILLING"),
            kill_seconds=self._kill_seconds,
            hurried=self._hurried,
            clock=self.clock,
        )


def _start(
    server: ExecutionServer,
    spec: SmokeSpec,
    subject: Subject,
    settings: SmokeSettings,
    deadline: float,
    clock: Clock,
) -> Execution:
    """Start the execution, of kind TEST and with the labels of this run.

    Retried only if it is certain that nothing was started.

    :raises KestraError: it was not started, or it is unknown whether it was.
    :raises UsageError: an input file cannot be read.
    """
    labels = {**spec.labels, RUN_LABEL: settings.run_id}
    if settings.commit:
        labels[COMMIT_LABEL] = settings.commit
    give_up = min(deadline, clock.now() + _START_WITHIN)
    pause = 0.5
    while True:
        try:
            return server.executions.create(
                spec.flow,
                inputs=spec.inputs,
                labels=labels,
                revision=subject.revision,
                kind=TEST_KIND,
            )
        except (Unreachable, TooManyRequests) as error:
            if clock.now() + pause >= give_up:
                raise
            LOG.debug("starting %s: %s", spec.flow, error)
        clock.sleep(pause)
        pause = min(pause * 2, 5.0)
