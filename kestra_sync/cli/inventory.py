"""``kestra-sync inventory``."""

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


@click.command("inventory")
@scope_options
@config_options
@connection_options
@output_options
def command(*, output_format: str, color: str, verbose: bool, **settings: Any) -> ExitCode:
    """Show the flows that we own on the server, and where they came from."""
    from kestra_sync.commands.records import show_inventory
    from kestra_sync.inventory.codec import to_json
    from kestra_sync.report.records_text import inventory_lines

    output = Output.of("inventory", output_format=output_format, color=color, verbose=verbose)
    place, inventory = show_inventory(settings_from(**settings))
    output.text(inventory_lines(place, inventory))
    record = None if inventory is None else to_json(inventory)
    output.result(ExitCode.OK, {"inventory": record})
    return ExitCode.OK
