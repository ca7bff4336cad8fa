"""Tests are handed out in groups: those that cannot run beside each other are in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.distribution import group_of, place_of

_ROOT = Path(__file__).parent.parent


def test_group__all_tests_with_inventories_on_one_engine_are_one() -> None:
    one = group_of("tests/e2e/sync/test_order.py::test_it[kestra-2.0]")
    assert one == group_of("tests/e2e/test_console.py::test_it[README.md-2.0]")
    assert one != group_of("tests/e2e/sync/test_order.py::test_it[kestra-1.3]")
    assert group_of("tests/e2e/sync/test_faults.py::test_it[2.0.1]") == group_of(
        "tests/e2e/cli/test_streams.py::test_it"
    )
    assert group_of("tests/e2e/contract/test_kv.py::test_it[kestra-1.3-5]") == group_of(
        "tests/e2e/contract/test_kv.py::test_other[kestra-1.3]"
    )


def test_order__what_needs_no_server_begins() -> None:
    tests = [
        "tests/e2e/contract/test_kv.py::test_it[kestra-1.3]",
        "tests/e2e/sync/test_order.py::test_it[kestra-1.3]",
        "tests/test_docs.py::test_it",
    ]
    assert sorted(tests, key=place_of) == tests[::-1]


def test_group__reaches_the_workers() -> None:
    """As it does not by the marks of pytest-xdist, with some versions of pytest."""
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-v", "-p"]
    files = ["tests/unit/safe/test_names.py", "tests/unit/test_windows.py"]
    done = subprocess.run(
        [*command, "no:cacheprovider", *files], cwd=_ROOT, capture_output=True, text=True
    )
    workers: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("[gw"):
            worker, _, test = line.partition("PASSED ")
            workers.setdefault(test.partition("::")[0], set()).add(worker.split("]")[0])
    assert {file: len(names) for file, names in workers.items()} == dict.fromkeys(files, 1)
