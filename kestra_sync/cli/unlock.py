"""``kestra-sync unlock``."""

from __future__ import annotations

from typing import Any

import click

from kestra_sync.cli.ask import ask
from kestra_sync.cli.options import (
    config_options,
    connection_options,
    option,
    output_options,
    scope_options,
    settings_from,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import line


@click.command("unlock")
@option("-y", "--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@scope_options
@config_options
@connection_options
@output_options
def command(
    *, yes: bool, output_format: str, color: str, verbose: bool, **settings: Any
) -> ExitCode:
    """Release the lock of an apply that crashed.

    Shows who holds the lock and since when, and asks. A lock whose run is dead expires by itself
    within 45 seconds: one that is older belongs to a run that is alive.
    """
    from kestra_sync.commands.records import take_lock_away

    output = Output.of("unlock", output_format=output_format, color=color, verbose=verbose)

    def confirm(who: str, since: str) -> bool:
        output.text([line(f"The lock is held by {who} since {since}.")])
        return yes or ask("Take it away? An apply that is still running stops half-way.")

    place, holder, unlocked = take_lock_away(settings_from(**settings), confirm)
    code = ExitCode.OK
    if holder is None:
        output.text([line(f"{place.name!r} was not locked.")])
    elif unlocked:
        output.text([line(f"Unlocked {place.name!r}: it was held by {holder.who}.")])
    else:
        output.text([line("The lock was not taken away.")])
        code = ExitCode.FAILURE
    held = None if holder is None else vars(holder)
    output.result(code, {"holder": held, "unlocked": unlocked})
    return code
