"""The command in a separate process that can be interrupted and killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.sync.conftest import RunResult
from tests.support.measured import MEASURED
from tests.support.proxy import FaultProxy

_PATIENCE_SECONDS = 120


class Process:
    """``kestra-sync`` in a process. It may be referred to before it is started."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._started = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def start(self, *args: str) -> None:
        """Start it, with the environment of the test."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kestra_sync", *args],
            cwd=self._root,
            env={**os.environ, **MEASURED},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._started.set()

    def send(self, *signals: int) -> Callable[[], None]:
        """A fault action that sends these signals, one after another."""

        def action() -> None:
            self._started.wait(_PATIENCE_SECONDS)
            assert self._process is not None
            for each in signals:
                self._process.send_signal(each)

        return action

    def end(self) -> RunResult:
        """Wait for its end."""
        assert self._process is not None
        out, err = self._process.communicate(timeout=_PATIENCE_SECONDS)
        return RunResult(self._process.returncode, out, err)


def await_silence(proxy: FaultProxy) -> None:
    """Wait until the requests of a dead process have reached the server, or no longer can."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not all(each.over for each in proxy.requests):
        assert time.monotonic() < deadline, "requests are still running"
        time.sleep(0.02)
