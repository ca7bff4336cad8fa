"""The progress of smoke tests."""

from __future__ import annotations

from kestra_sync.model import FlowId
from kestra_sync.observer import Observer
from kestra_sync.smoke.result import GOOD, SmokeRun
from kestra_sync.smoke.spec import SmokeSpec


class SmokeObserver(Observer):
    """An observer that is also notified of every change of an execution. This one does nothing.

    ``index`` is the number of the test in its run. Methods are called from several threads.
    """

    def smoke_begin(self, specs: tuple[SmokeSpec, ...]) -> None:
        """These tests are about to run."""

    def smoke_running(self, index: int, words: str) -> None:
        """An execution has changed: ``RUNNING, task load``."""

    def smoke_done(self, index: int, run: SmokeRun) -> None:
        """A test is over."""

    def smoke_end(self) -> None:
        """All tests are over."""


class _Plain(SmokeObserver):
    """Adapts an observer without methods for smoke tests."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def smoke_begin(self, specs: tuple[SmokeSpec, ...]) -> None:
        self._observer.begin(len(specs))

    def smoke_done(self, index: int, run: SmokeRun) -> None:  # noqa: ARG002
        self._observer.done(_named(run), describe_run(run), ok=run.verdict in GOOD)

    def smoke_end(self) -> None:
        self._observer.end()

    def note(self, message: str) -> None:
        self._observer.note(message)


def smoke_observer(observer: Observer) -> SmokeObserver:
    """Return ``observer``, adapted to smoke tests if necessary."""
    return observer if isinstance(observer, SmokeObserver) else _Plain(observer)


def describe_run(run: SmokeRun) -> str:
    """``passed: SUCCESS``, ``failed: expected SUCCESS, got FAILED``."""
    first = run.failures[0].message.splitlines()[0] if run.failures else run.state or ""
    return f"{run.verdict}: {first}" if first else str(run.verdict)


def _named(run: SmokeRun) -> FlowId:
    name = f"{run.flow.id} ({run.spec.name})" if run.spec.name else run.flow.id
    return FlowId(run.flow.namespace, name)
