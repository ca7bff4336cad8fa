"""Engines that are killed and restarted, and the runs that this interrupts.

All are in one file: they share an engine, which ends with the last of them.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.smoke.spec import Expectation, SmokeSpec
from tests.e2e.contract.calls import created, ended, execute, stored, update
from tests.e2e.sync.conftest import Repo
from tests.e2e.sync.processes import CREATES, assert_ends_well, prepared
from tests.engine import Engine
from tests.support.proxy import FaultProxy, Rule, call_first
from tests.support.server import Http, server_of
from tests.support.smoke import LOG, PAUSE, Bench, WhenRunning
from tests.support.sources import log_flow

pytestmark = pytest.mark.embedded_only

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lasting_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that keeps its data on disk: it can be killed and restarted at will."""
    folder = tmp_path_factory.mktemp("engine")
    with Engine.start(data=folder, port=_lasting_port()) as engine:
        yield engine


@pytest.fixture
def own_engine(lasting_engine: Engine) -> Engine:
    """The engine of those tests that end it. What earlier ones have stored may be there."""
    if not lasting_engine.running:
        lasting_engine.restart()
    return lasting_engine


def test_engine__killed_one_keeps_acknowledged_writes(
    own_engine: Engine,
) -> None:
    engine = own_engine
    address = engine.url
    with Http(server_of(engine)) as http:
        created(http, log_flow("kstest.kill", "f", "version 1"))
        http.put(
            "/namespaces/kstest.kill/kv/key", data=b"1", headers={"Content-Type": "text/plain"}
        )
        assert update(http, "kstest.kill", "f", log_flow("kstest.kill", "f", "version 2")).ok
        engine.kill()
    assert not engine.running
    engine.restart()
    assert engine.url == address
    with Http(server_of(engine)) as http:
        assert stored(http, "kstest.kill", "f")["revision"] == 2
        assert "version 2" in stored(http, "kstest.kill", "f")["source"]
        assert http.get("/namespaces/kstest.kill/kv/key").json()["value"] == 1
        assert ended(http, execute(http, "kstest.kill", "f")["id"])["state"]["current"] == "SUCCESS"


def test_server__restart_during_an_apply_loses_nothing(
    own_engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It stops at the fifth creation and comes back at the same address.

    In good order: H2, killed in the middle of writes, now and then cannot read its file again.
    """
    engine = own_engine
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.chdir(root)
    for name, value in server_of(engine).env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.01)
    monkeypatch.setattr("kestra_sync.apply.writer._SETTLE", 0.01)
    repo = Repo(root, "kstest.restart", KestraClient(env_file=None), capsys)
    goal = prepared(repo)
    back = threading.Event()

    failures: list[Exception] = []

    def restart() -> None:
        try:
            engine.restart()
        except Exception as error:
            failures.append(error)
            raise
        back.set()

    with FaultProxy(engine.url) as proxy:
        monkeypatch.setenv("KESTRA_API_URL", proxy.url)
        monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
        proxy.add(Rule(call_first(restart), "POST", r"/flows$", nth=5))
        ran = repo.apply()
        assert back.wait(120), (failures, ran.code, ran.err)
    assert ran.code == ran.json["exit_code"]
    assert len(ran.outcomes()) == CREATES + 6
    monkeypatch.setenv("KESTRA_API_URL", engine.url)
    assert_ends_well(repo, goal)


def test_a_server_that_restarts_while_an_execution_runs(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(own_engine)
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    with KestraClient(server.url, env_file=None) as client, Http(server) as http:
        bench = Bench(client, "kstest.asleep", http)
        flow = bench.flow(
            "survivor",
            f"tasks:\n  - {{id: wait, type: {PAUSE}, pauseDuration: PT3S}}\n"
            f"  - {{id: say, type: {LOG}, message: still here}}\n",
        )

        # In an orderly way: after a power cut the database of the engine may not open again.
        cut = WhenRunning("PAUSED", lambda: threading.Thread(target=own_engine.restart).start())
        result = bench.run(
            SmokeSpec(flow, timeout=90, expect=Expectation(logs_match=("still here",))),
            observer=cut,
        )
        assert cut.fired
        assert [run.failures for run in result.runs] == [()]
        assert bench.left() == []


def test_engine__ends_with_its_parent_process() -> None:
    """Even while it starts."""
    script = (
        "import os, threading, time; from tests.engine.launcher import Engine\n"
        "e = Engine(None, None)\n"
        "threading.Thread(target=e._launch, daemon=True).start()\n"
        "while not e.running: time.sleep(0.05)\n"
        "print(e.pid, e._log, flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    pid, log = done.stdout.split()
    deadline = time.monotonic() + 30
    while _alive(int(pid)):
        assert time.monotonic() < deadline, f"engine {pid} outlives its parent"
        time.sleep(0.1)
    Path(log).unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In a container it may not be reaped: a zombie has ended as well.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _lasting_port() -> int:
    """A port outside of the ephemeral range: it stays free while the engine is down."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
