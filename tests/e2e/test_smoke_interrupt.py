"""``^C`` while a smoke test runs, in a separate process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from tests.e2e.sync.conftest import Repo, repo  # noqa: F401 - a fixture
from tests.support.cleanup import executions_below
from tests.support.measured import MEASURED
from tests.support.server import Http
from tests.support.smoke import SLEEP


def test_interrupt__running_execution_is_killed_and_reported(
    repo: Repo,  # noqa: F811
    http: Http,
) -> None:
    source = (
        f"id: endless\nnamespace: {repo.namespace}\n"
        f"tasks:\n  - {{id: nap, type: {SLEEP}, duration: PT2M}}\n"
    )
    repo.write("flows/endless.yaml", source)
    repo.write("flows/endless.smoke.yaml", f"flow: {repo.namespace}/endless\n")
    command = ["apply", "--yes", "--smoke", "--rollback", "--format", "json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kestra_sync", *command],
        env={**os.environ, **MEASURED},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _await_running(http, repo.namespace)
        process.send_signal(signal.SIGINT)
        # CI sends another signal some seconds later, which must not cost the cleaning up.
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "ending the running executions" in err
    (run,) = json.loads(out)["smoke"]["runs"]
    assert (run["verdict"], run["cleanup"]["kept"]) == ("interrupted", False)
    assert list(executions_below(http, repo.namespace)) == []
    assert repo.live("endless") == source.encode()


def _await_running(http: Http, namespace: str) -> None:
    def running(execution: dict[str, Any]) -> bool:
        return bool(execution["state"]["current"] == "RUNNING")

    deadline = time.monotonic() + 60
    while not any(map(running, executions_below(http, namespace))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
