"""``kestra-sync unlock``."""

from __future__ import annotations

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
@option(
    "-y", "--yes", is_flag=True, help="Skip the confirmation prompt; required without a terminal."
)
@scope_options
@config_options
@connection_options
@output_options
def command(
    *, yes: bool, output_format: str, color: str, verbose: bool, **settings: object
) -> ExitCode:
    """Release the lock of a crashed apply.

    Shows who holds the lock and since when, and asks for confirmation. The lock of a crashed run
    expires within 45 seconds: an older lock belongs to a run that is still alive.
    """
    from kestra_sync.commands.records import release_lock

    output = Output.of("unlock", output_format=output_format, color=color, verbose=verbose)

    def confirm(who: str, since: str) -> bool:
        output.text([line(f"Lock held by {who} since {since}.")])
        return yes or ask("Release it? An apply that is still running stops before its next write.")

    place, holder, unlocked = release_lock(settings_from(**settings), confirm)
    code = ExitCode.OK
    if holder is None:
        output.text([line(f"{place.name!r} was not locked.")])
    elif unlocked:
        output.text([line(f"Unlocked {place.name!r}: it was held by {holder.who}.")])
    else:
        output.text([line("The lock was not released.")])
        code = ExitCode.FAILURE
    held = None if holder is None else vars(holder)
    output.result(code, {"holder": held, "unlocked": unlocked})
    return code
