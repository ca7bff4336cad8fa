"""``python -m kestra_sync`` and the ``kestra-sync`` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    # What is read stays to the end: looking through it again and again finds nothing.
    gc.set_threshold(100_000, 20, 100)
    from kestra_sync.cli.main import run

    code = run(sys.argv[1:])
    gc.disable()  # the process ends: no need to collect what is left
    sys.exit(code)


if __name__ == "__main__":
    main()
