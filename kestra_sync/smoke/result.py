"""The results of smoke tests: plain values. All texts are safe to show."""

from __future__ import annotations

from dataclasses import dataclass

from kestra_sync.errors import ExitCode
from kestra_sync.executions.cleanup import Cleanup
from kestra_sync.executions.culprit import Culprit
from kestra_sync.executions.logs import LogLine
from kestra_sync.model import FlowId, StrEnum
from kestra_sync.smoke.spec import SmokeSpec


class SmokeVerdict(StrEnum):
    """How a test ended; stable in the JSON."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    ERROR = "error"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


NOT_DUE = "none of the flows that it runs was written"
"""The reason of a test that is left out after an apply."""

GOOD = frozenset({SmokeVerdict.PASSED, SmokeVerdict.SKIPPED})


class FailureKind(StrEnum):
    """The kind of an unmet expectation; stable in the JSON."""

    START = "start"
    SERVER = "server"
    TIMEOUT = "timeout"
    STATE = "state"
    OUTPUT = "output"
    TASK = "task"
    LOG = "log"


@dataclass(frozen=True)
class SmokeFailure:
    """One unmet expectation."""

    kind: FailureKind
    message: str


@dataclass(frozen=True)
class SmokeRun:
    """One test and how it ended.

    :param execution_id: ``None`` if nothing was started.
    :param url: the page of the execution in the UI.
    :param revision: of the flow that was run.
    :param state: the last known state.
    :param seconds: from the start of the execution to its end, measured by us.
    :param log: the last lines of the failed execution, which may be that of a subflow.
    :param reason: why it was skipped; ``""`` if it was not.
    """

    spec: SmokeSpec
    verdict: SmokeVerdict
    execution_id: str | None = None
    url: str | None = None
    revision: int | None = None
    state: str | None = None
    seconds: float | None = None
    failures: tuple[SmokeFailure, ...] = ()
    culprit: Culprit | None = None
    log: tuple[LogLine, ...] = ()
    cleanup: Cleanup | None = None
    reason: str = ""

    @property
    def flow(self) -> FlowId:
        """The flow that was run."""
        return self.spec.flow


@dataclass(frozen=True)
class SmokeResult:
    """All tests of one run, in their order.

    :param run_id: the value of the label ``kestra-sync.run`` of all executions of this run.
    :param interrupted: ``^C`` or SIGTERM ended the run early.
    """

    runs: tuple[SmokeRun, ...]
    run_id: str
    commit: str | None
    seconds: float
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """Whether any test failed."""
        return any(each.verdict not in GOOD for each in self.runs)

    @property
    def exit_code(self) -> ExitCode:
        """130 if interrupted, 7 if a test failed, else 0."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.SMOKE_FAILED if self.failed else ExitCode.OK

    def count(self, *verdicts: SmokeVerdict) -> int:
        """Count the tests with one of these verdicts."""
        return sum(each.verdict in verdicts for each in self.runs)
