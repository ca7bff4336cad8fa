"""Processes whose coverage is measured: those that a test gives ``MEASURED``, and no others.

Measuring doubles the time of a command, and what most commands run is measured in this process.
"""

from __future__ import annotations

import os

#: What makes coverage start in a process; nothing if none is measured.
MEASURED: dict[str, str] = {}
_NAMES = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def measure_no_processes() -> None:
    """Keep coverage out of all processes but those that are given ``MEASURED``."""
    for name in _NAMES:
        if name in os.environ:
            MEASURED[name] = os.environ.pop(name)
