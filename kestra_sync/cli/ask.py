"""The one question before something is written."""

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
            "there is no terminal to ask on", remedy="pass --yes to go on without being asked"
        )
    try:
        return click.confirm(question, default=False, err=True)
    except click.Abort:
        click.echo(err=True)  # ^C leaves the cursor behind the question
        raise
