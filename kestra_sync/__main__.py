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
    # The process ends: what is left is not collected, neither now nor by the interpreter's exit,
    # which would take a tenth of the time of a plan.
    gc.disable()
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
