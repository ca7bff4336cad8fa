"""An engine that restarts, and the runs that this interrupts."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from kestra_sync.client.client import KestraClient
from kestra_sync.smoke.result import SmokeResult
from kestra_sync.smoke.spec import Expectation, SmokeSpec
from tests.e2e.sync.conftest import Repo
from tests.engine import Engine
from tests.support.cleanup import executions_below
from tests.support.proxy import FaultProxy, Rule, call_first
from tests.support.server import Http, Server, server_of
from tests.support.smoke import LOG, PAUSE, Bench, WhenRunning

pytestmark = pytest.mark.embedded_only

_ROOT = Path(__file__).parents[2]
CREATES = 12


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that keeps its data on disk, to be restarted."""
    with Engine.start(data=tmp_path / "engine", port=_lasting_port()) as engine:
        yield engine


def prepared(repo: Repo) -> dict[str, bytes]:
    """Prepare writes: creations, four updates, two deletions. Returns the desired state."""
    repo.config()
    for name in ("gone0", "gone1", "up0", "up1", "up2", "up3", "same"):
        repo.flow(name)
    assert repo.apply().code == 0
    repo.remove("gone0")
    repo.remove("gone1")
    goal = {"same": repo.source("same")}
    goal |= {f"up{index}": repo.flow(f"up{index}", "changed") for index in range(4)}
    goal |= {f"new{index:02}": repo.flow(f"new{index:02}", "x") for index in range(CREATES)}
    return goal


def assert_ends_well(repo: Repo, goal: dict[str, bytes]) -> None:
    """Run the command again: nothing is lost or duplicated, and the record is complete."""
    # Otherwise, it waits until the lock of the dead run expires.
    assert repo.run("unlock", "--yes").code == 0
    ran = repo.apply()
    assert ran.code == 0, ran.err
    assert repo.lives() == goal
    revisions = {each.flow_id.id: each.revision for each in repo.client.flows.search(repo.scope)}
    assert revisions == {name: 2 if name.startswith("up") else 1 for name in goal}
    assert set(repo.owned()) == set(goal)
    assert repo.agrees()
    assert "intent" not in repo.inventory()
    assert repo.plan("--detailed-exitcode").code == 0


def test_server__restart_during_an_apply_loses_nothing(
    own_engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It stops at the fifth creation, while a smoke test waits, and comes back at its address.

    In good order: H2, killed in the middle of writes, now and then cannot read its file again.
    """
    engine = own_engine
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.chdir(root)
    server = server_of(engine)
    for name, value in server.env.items():
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

    paused = threading.Event()
    smoke = ThreadPoolExecutor(1).submit(_wait_and_say, server, WhenRunning("PAUSED", paused.set))
    assert paused.wait(60), smoke.result(90)
    with FaultProxy(engine.url) as proxy:
        monkeypatch.setenv("KESTRA_API_URL", proxy.url)
        proxy.add(Rule(call_first(restart), "POST", r"/flows$", nth=5))
        ran = repo.apply()
        assert back.wait(120), (failures, ran.code, ran.err)
    assert ran.code == ran.json["exit_code"]
    assert len(ran.outcomes()) == CREATES + 6
    monkeypatch.setenv("KESTRA_API_URL", engine.url)
    assert_ends_well(repo, goal)
    assert [run.failures for run in smoke.result(120).runs] == [()]
    with Http(server) as http:
        assert list(executions_below(http, "kstest.asleep")) == []


def _wait_and_say(server: Server, observer: WhenRunning) -> SmokeResult:
    """A smoke test that is paused for so long that the server restarts meanwhile."""
    with KestraClient(server.url, env_file=None) as client, Http(server) as http:
        bench = Bench(client, "kstest.asleep", http)
        flow = bench.flow(
            "survivor",
            f"tasks:\n  - {{id: wait, type: {PAUSE}, pauseDuration: PT15S}}\n"
            f"  - {{id: say, type: {LOG}, message: still here}}\n",
        )
        expected = Expectation(logs_match=("still here",))
        return bench.run(SmokeSpec(flow, timeout=120, expect=expected), observer=observer)


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
