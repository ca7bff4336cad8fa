"""``kestra-sync history``."""

from __future__ import annotations

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


@click.command("history")
@scope_options
@config_options
@connection_options
@output_options
def command(*, output_format: str, color: str, verbose: bool, **settings: object) -> ExitCode:
    """Show recent applies: time, commit, changes and result."""
    from kestra_sync.commands.records import show_inventory
    from kestra_sync.inventory.codec import to_json
    from kestra_sync.report.records_text import history_lines

    output = Output.of("history", output_format=output_format, color=color, verbose=verbose)
    found = show_inventory(settings_from(**settings))
    inventory = found.inventory
    output.text(history_lines(found.at, inventory))
    record = None if inventory is None else to_json(inventory)
    output.result(ExitCode.OK, {"runs": [] if record is None else record["history"]})
    return ExitCode.OK
