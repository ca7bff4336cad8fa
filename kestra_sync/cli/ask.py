"""The confirmation prompt before a write."""

from __future__ import annotations

import sys

import click

from kestra_sync.errors import UsageError


def ask(question: str) -> bool:
    """Ask the person at the terminal; no is the default.

    :raises UsageError: stdin is not a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "stdin is not a terminal", remedy="pass --yes to apply without confirmation"
        )
    try:
        return click.confirm(question, default=False, err=True)
    except click.Abort:
        click.echo(err=True)  # ^C leaves the cursor behind the question
        raise
