"""``kestra-sync unlock``."""

from __future__ import annotations

from typing import Any

import click

from kestra_sync.cli.options import (
    config_options,
    connection_options,
    output_options,
    scope_options,
    settings_from,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode
from kestra_sync.report.lines import line


@click.command("unlock")
@scope_options
@config_options
@connection_options
@output_options
def command(*, output_format: str, color: str, verbose: bool, **settings: Any) -> ExitCode:
    """Take the lock away from an apply that is dead.

    Look at who holds it first: it says so. A lock that nobody renews expires within two minutes.
    """
    from kestra_sync.commands.records import take_lock_away

    output = Output.of("unlock", output_format=output_format, color=color, verbose=verbose)
    place, holder = take_lock_away(settings_from(**settings))
    if holder is None:
        output.text([line(f"{place.name!r} was not locked.")])
    else:
        output.text([line(f"Unlocked {place.name!r}: it was held by {holder.who}.")])
    output.result(ExitCode.OK, {"holder": None if holder is None else vars(holder)})
    return ExitCode.OK
