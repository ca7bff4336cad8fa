"""``python -m kestra_sync`` and the ``kestra-sync`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from kestra_sync.cli.edge import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
