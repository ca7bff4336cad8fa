"""Processes whose coverage is measured: those that a test starts with ``MEASURED``.

Measuring doubles the time of a command, and what most commands run is measured in this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: What makes coverage start in a process; nothing if none is measured.
MEASURED: dict[str, str] = {}
_NAMES = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def measure_no_processes() -> None:
    """Keep coverage out of all processes but those that are given ``MEASURED``."""
    for name in _NAMES:
        if name in os.environ:
            MEASURED[name] = os.environ.pop(name)


#: Runs another program. What a process took before it became a program counts in its
#: ``getrusage``, and that would be the memory of the tests.
_BETWEEN = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
#: In MiB, for code that runs :func:`python_apart`.
PEAK = """
def peak():
    import resource, sys
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
"""


def python_apart(code: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process whose use of memory, ``peak()``, is its own."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", _BETWEEN, sys.executable, "-c", PEAK + code, *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
