"""Tests are distributed in groups: those that cannot run at the same time are in one group."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.distribution import group_of, place_of

_ROOT = Path(__file__).parent.parent


def test_group__all_tests_with_inventories_on_one_engine_are_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KESTRA", raising=False)
    monkeypatch.delenv("KESTRA_TEST_URL", raising=False)
    one = group_of("tests/e2e/sync/test_order.py::test_it[kestra-2.0]")
    assert one == group_of("tests/e2e/test_console.py::test_it[README.md-2.0]")
    assert one != group_of("tests/e2e/sync/test_order.py::test_it[kestra-1.3]")
    # Each worker has an engine of this version.
    faults = "tests/e2e/sync/test_faults.py::test_it[2.0.1]"
    assert group_of(faults) != group_of("tests/e2e/cli/test_streams.py::test_it")
    assert group_of("tests/e2e/contract/test_kv.py::test_it[kestra-1.3-5]") == group_of(
        "tests/e2e/contract/test_kv.py::test_other[kestra-1.3]"
    )


@pytest.mark.parametrize("variable", ["KESTRA", "KESTRA_TEST_URL"])
def test_group__of_the_version_that_is_chosen(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A version is a worker's own; a server that is there already is one for all."""
    monkeypatch.delenv("KESTRA_TEST_URL", raising=False)
    monkeypatch.setenv(variable, "2.0" if variable == "KESTRA" else "http://127.0.0.1:8080")
    one, other = (
        group_of(f"tests/e2e/{name}.py::test_it") for name in ("sync/test_faults", "cli/test_exit")
    )
    assert (one == other) == (variable == "KESTRA_TEST_URL")


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
