"""Groups tests for the workers of pytest-xdist, and orders the groups.

What needs no server is first: a mistake is reported at once, not after a minute. Then what takes
longest begins, so that no worker waits long for the others in the end.
"""

from __future__ import annotations

import os
import re
from typing import Any

from tests.engine import DEFAULT, VERSIONS, version_named

#: The longest, and those that wait most.
_FIRST = (
    *("test_interrupted.py", "test_action.py", "test_workflows.py", "test_engine.py"),
    *("test_faults.py", "test_files_and_keys_faults.py", "test_stateful.py", "test_console.py"),
    *("test_smoke_stream.py", "test_smoke.py", "test_client.py", "test_executions.py"),
)
_SERVER = ("tests/e2e/", "tests/action/test_action.py", "tests/action/test_workflows.py")
#: Where tests only make calls, and run no command that keeps an inventory.
_WITHOUT_INVENTORY = (
    *("tests/e2e/contract/", "tests/e2e/test_cases_agree.py", "tests/e2e/test_client.py"),
    *("tests/e2e/test_kinds.py", "tests/e2e/test_known_properties.py", "tests/e2e/test_smoke.py"),
)


def own_version() -> str | None:
    """The version of which each worker has an engine of its own: the one that most tests use.

    ``None`` if all tests run on a server that is there already.

    :raises ValueError: ``KESTRA`` names a version that no engine exists for.
    """
    if os.environ.get("KESTRA_TEST_URL"):
        return None
    return version_named(os.environ.get("KESTRA") or DEFAULT.name).name


def group_of(nodeid: str) -> str:
    """The group of a test: its file on a version, or all that may keep an inventory there.

    An apply reads the inventories of the whole server; tests count these reads, and break
    inventories on purpose: on an engine that workers share, they cannot run at the same time.
    """
    file = nodeid.partition("::")[0]
    return f"{'inventories' if _is_alone(nodeid) else file} {_version_of(nodeid)}"


def place_of(nodeid: str) -> tuple[bool, bool, int, bool]:
    """The place of a test in the order of all; whole groups follow each other."""
    file = nodeid.partition("::")[0]
    name = file.rpartition("/")[2]
    return (
        file.startswith(_SERVER),
        not _is_alone(nodeid),
        _FIRST.index(name) if name in _FIRST else len(_FIRST),
        not _has_inventory(file),
    )


def scheduler(config: Any, log: Any) -> Any:
    """The scheduler that distributes complete groups, in order.

    The marks that pytest-xdist has for it (``xdist_group``) have no effect with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    made = LoadScopeScheduling(config, log)
    made._split_scope = group_of
    return made


def _is_alone(nodeid: str) -> bool:
    return _has_inventory(nodeid.partition("::")[0]) and _version_of(nodeid) != own_version()


def _has_inventory(file: str) -> bool:
    return file.startswith(_SERVER) and not file.startswith(_WITHOUT_INVENTORY)


def _version_of(nodeid: str) -> str:
    parameters = re.split(r"[\[\]-]", nodeid.partition("[")[2])
    named = next((name for name in VERSIONS if name in parameters), None)
    return named or own_version() or DEFAULT.name
