"""A pager on a terminal, as ``git`` has it: for a result that is longer than the screen."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

#: ``F`` ends at once if all fits, ``R`` lets colours through, ``X`` leaves the text on the screen.
_LESS = "FRX"


def pager(lines: int) -> list[str] | None:
    """The command that shows a text of ``lines`` screen lines; ``None`` if it is just printed.

    ``KESTRA_SYNC_PAGER`` and then ``PAGER`` name it; empty, or ``cat``, switches it off. In pipes,
    in CI and on terminals that cannot do more than print there is none.
    """
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return None
    if os.environ.get("CI") or os.environ.get("TERM", "dumb") == "dumb":
        return None
    if lines < shutil.get_terminal_size().lines:
        return None
    named = os.environ.get("KESTRA_SYNC_PAGER", os.environ.get("PAGER", "less"))
    try:
        command = shlex.split(named)
    except ValueError:  # a quote that is not closed
        return None
    if not command or command == ["cat"] or shutil.which(command[0]) is None:
        return None
    return command


def show(command: list[str], text: str) -> bool:
    """Show ``text`` with ``command``, and wait until it is left; false if it cannot be run."""
    environ = {"LESS": _LESS, "LESSCHARSET": "utf-8", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)
    except OSError:
        return False
    with process:
        try:
            process.communicate(text.encode("utf-8", "replace"))
        except KeyboardInterrupt:
            # ^C is the pager's: less stops reading, and stays.
            process.wait()
    return True
