"""Streams that break during an apply do not affect the flows, the record and the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.small_kestra import SmallKestra, State

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")

FLOW = """\
id: a
namespace: acme
tasks: [{id: t, type: io.kestra.plugin.core.log.Log, message: ö→}]
"""
APPLY = "$K apply --yes --allow-large -v"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmallKestra]:
    """A server that holds the flow as it was, and a repository with a change and a smoke test."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "kestra-sync.yaml").write_text(
        "version: 1\nname: ours\nsource: flows\nscope: [acme]\n"
    )
    (tmp_path / "flows" / "a.yaml").write_text(FLOW, encoding="utf-8")
    (tmp_path / "flows" / "a.smoke.yaml").write_text("flow: acme/a\nexpect: {state: FAILED}\n")
    with SmallKestra() as server:
        server.begin(State())
        yield server


def shell(
    root: Path, server: SmallKestra, script: str, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell in the repository; ``$K`` is the command."""
    left_out = ("KESTRA", "PYTHON", "COVERAGE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    environment |= {
        "K": f"{sys.executable} -m kestra_sync",
        "KESTRA_API_URL": server.url,
    }
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=root, env=environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (f"{APPLY} 2>&1 | true", 0),
        (f"{APPLY} --format json >/dev/full 2>/dev/full", 0),
        (f"{APPLY} -o html=/dev/full -o json=report.json --journal /dev/full <&- >&- 2>&-", 0),
        (f"{APPLY} --smoke --rollback >&- 2>/dev/full", 7),
        (f"PYTHONIOENCODING=ascii {APPLY} --smoke --journal journal.jsonl -o junit=-", 7),
    ],
)
def test_streams__do_not_affect_the_result(
    server: SmallKestra, tmp_path: Path, script: str, code: int
) -> None:
    ran = shell(tmp_path, server, script)
    assert ran.returncode == code, (ran.stdout, ran.stderr)
    assert b"Traceback" not in ran.stderr
    back = "--rollback" in script
    assert bool(server.state.live()) is not back
    record = server.state.keys[("acme", "kestra-sync.ours")]
    assert [each["id"] for each in record.get("resources", [])] == ([] if back else ["a"])
    assert "intent" not in record
    assert record["history"][-1]["result"] == ("rolled-back" if back else "applied")
    assert not [key for _, key in server.state.keys if "lock" in key]
    assert server.state.executions == {} or code == 7
