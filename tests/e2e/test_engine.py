"""The embedded engine itself: what the fault tests rely on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.contract.calls import created, ended, execute, stored, update
from tests.engine import Engine
from tests.support.server import Http, server_of
from tests.support.sources import log_flow

_ROOT = Path(__file__).parents[2]


def test_a_killed_engine_comes_back_with_all_it_has_acknowledged(
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


def test_engine__ends_with_its_parent_process() -> None:
    script = (
        "import os; from tests.engine import Engine; e = Engine.start();"
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
