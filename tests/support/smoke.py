"""Flows for smoke tests, and runs of them against a real server."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.client.client import KestraClient
from kestra_sync.model import FlowId
from kestra_sync.smoke.progress import SmokeObserver
from kestra_sync.smoke.result import SmokeResult, SmokeRun
from kestra_sync.smoke.runner import run_smoke
from kestra_sync.smoke.spec import Keep, SmokeSettings, SmokeSpec
from tests.support.cleanup import executions_below
from tests.support.server import Http

LOG = "io.kestra.plugin.core.log.Log"
FAIL = "io.kestra.plugin.core.execution.Fail"
SLEEP = "io.kestra.plugin.core.flow.Sleep"
PAUSE = "io.kestra.plugin.core.flow.Pause"
SUBFLOW = "io.kestra.plugin.core.flow.Subflow"


@dataclass
class Bench:
    """A namespace on a server, and the smoke tests in it."""

    client: KestraClient
    namespace: str
    http: Http
    settings: SmokeSettings = field(
        default_factory=lambda: SmokeSettings(keep=Keep.NEVER, commit="c0ffee")
    )

    def flow(self, name: str, body: str) -> FlowId:
        """Deploy a flow; ``body`` is what follows id and namespace."""
        head = f"id: {name}\nnamespace: {self.namespace}\n"
        body = textwrap.dedent(body).replace("$NS", self.namespace)
        return self.client.flows.create((head + body).encode()).flow_id

    def run(
        self,
        *specs: SmokeSpec,
        written: Mapping[FlowId, int | None] | None = None,
        calls: Mapping[FlowId, tuple[FlowId, ...]] | None = None,
        client: KestraClient | None = None,
        observer: SmokeObserver | None = None,
    ) -> SmokeResult:
        """Run tests."""
        return run_smoke(
            client or self.client,
            specs,
            written,
            calls or {},
            settings=self.settings,
            observer=observer or SmokeObserver(),
        )

    def one(self, flow: FlowId, **spec: Any) -> SmokeRun:
        """Run one test."""
        return self.run(SmokeSpec(flow, **spec)).runs[0]

    def left(self) -> list[str]:
        """The executions that are still on the server."""
        return [each["flowId"] for each in executions_below(self.http, self.namespace)]


class WhenRunning(SmokeObserver):
    """Runs an action once, as soon as a test is in a state.

    :param words: the reported state, such as ``RUNNING, task nap``.
    """

    def __init__(self, words: str, action: Any) -> None:
        self._words = words
        self._action = action
        self._lock = threading.Lock()
        self.fired = False

    def smoke_running(self, index: int, words: str) -> None:
        with self._lock:
            if self.fired or not words.startswith(self._words):
                return
            self.fired = True
        self._action()
