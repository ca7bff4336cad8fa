"""Runs the command in the process of the test, because a separate process takes half a second.

It has its own environment, folder and streams, and leaves nothing behind, so stdout, stderr and
exit code are those of a process. What is about processes (signals, terminals, imports, two at once)
needs one: see ``tests/e2e/cli/test_streams.py``, which also compares the two.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from kestra_sync.cli.main import run


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str


def run_here(
    *args: str, cwd: Path, env: Mapping[str, str], stdin: str = "", together: bool = False
) -> Ended:
    """Run ``kestra-sync`` with exactly this environment.

    :param together: stderr is part of ``out``, in the order in which both were written.
    """
    out, err = io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ, env, clear=True):
        patch.chdir(cwd)
        patch.setattr(sys, "stdin", _text(io.BytesIO(stdin.encode())))
        patch.setattr(sys, "stdout", _text(out))
        patch.setattr(sys, "stderr", _text(out if together else err))
        with _logging_restored():
            code = run(args)
        sys.stdout.flush()
        sys.stderr.flush()
        # Closing a stream closes the bytes below it.
        return Ended(code, out.getvalue().decode(), err.getvalue().decode())


def _text(below: io.BytesIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(below, encoding="utf-8", write_through=True)


@contextmanager
def _logging_restored() -> Iterator[None]:
    """What ``--verbose`` adds writes to the streams of this command."""
    logger = logging.getLogger("kestra_sync")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
