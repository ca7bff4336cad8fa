"""``kestra-sync inventory``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from kestra_sync.cli.ask import ask
from kestra_sync.cli.options import (
    F,
    config_options,
    connection_options,
    option,
    output_options,
    scope_options,
    settings_from,
)
from kestra_sync.cli.output import Output
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.report.lines import line

if TYPE_CHECKING:
    from kestra_sync.commands.records import ConfirmChanges, RecordEdit


@click.group("inventory", invoke_without_command=True)
@scope_options
@config_options
@connection_options
@output_options
@click.pass_context
def command(
    context: click.Context, /, *, output_format: str, color: str, verbose: bool, **settings: object
) -> ExitCode:
    """Show the inventory: the flows deployed by this repository, and their files.

    The subcommands change the inventory without writing flows.
    """
    if context.invoked_subcommand is not None:
        given = [
            each
            for each in context.params
            if context.get_parameter_source(each) is click.core.ParameterSource.COMMANDLINE
        ]
        if given:
            raise UsageError(
                f"put options after the subcommand: kestra-sync inventory"
                f" {context.invoked_subcommand} …"
            )
        return ExitCode.OK
    from kestra_sync.commands.records import show_inventory
    from kestra_sync.inventory.codec import to_json
    from kestra_sync.report.records_text import inventory_lines

    output = Output.of("inventory", output_format=output_format, color=color, verbose=verbose)
    found = show_inventory(settings_from(**settings))
    output.text(inventory_lines(found))
    record = None if found.inventory is None else to_json(found.inventory)
    place = {"namespace": found.at.namespace, "key": found.at.key}
    output.result(ExitCode.OK, {"inventory": record, "place": place})
    return ExitCode.OK


_YES = option(
    "-y", "--yes", is_flag=True, help="Skip the confirmation prompt; required without a terminal."
)
_TAKE_OVER = option(
    "--take-over",
    is_flag=True,
    help="Change the inventory even if it belongs to another repository.",
)


def _edit_options(function: F) -> F:
    """The options of every edit of the record."""
    for given in (output_options, connection_options, config_options, scope_options):
        function = given(function)
    return _YES(_TAKE_OVER(function))


@command.command("rename", short_help="Rename the inventory.")
@click.argument("old")
@click.argument("new")
@_edit_options
def rename(
    *,
    old: str,
    new: str,
    yes: bool,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Rename the inventory OLD to NEW, for example after changing `name` or an environment.

    Specify both names as they appear in the key in Kestra's KV store, including the environment if
    there is one: flows.prod. The flows listed in the inventory do not change.
    """
    from kestra_sync.commands.records import rename_inventory

    output = Output.of(
        "inventory rename", output_format=output_format, color=color, verbose=verbose
    )
    resolved = settings_from(**settings)
    return _edit(output, lambda sure: rename_inventory(resolved, old, new, sure), yes=yes)


@command.command("forget", short_help="Remove flows from the inventory, but not from the server.")
@click.argument("flows", nargs=-1, required=True, metavar="FLOW...")
@_edit_options
def forget(
    *,
    flows: tuple[str, ...],
    yes: bool,
    output_format: str,
    color: str,
    verbose: bool,
    **settings: object,
) -> ExitCode:
    """Remove each FLOW (namespace/id) from the inventory, but not from the server.

    The flow is then not owned by any repository: kestra-sync does not delete it when it is removed
    from Git.
    """
    from kestra_sync.commands.records import forget_flows

    output = Output.of(
        "inventory forget", output_format=output_format, color=color, verbose=verbose
    )
    resolved = settings_from(**settings)
    return _edit(output, lambda sure: forget_flows(resolved, flows, sure), yes=yes)


@command.command("move", short_help="Move the inventory to another namespace.")
@click.argument("namespace")
@_edit_options
def move(
    *, namespace: str, yes: bool, output_format: str, color: str, verbose: bool, **settings: object
) -> ExitCode:
    """Move the inventory to the KV store of NAMESPACE.

    Set `inventory: {namespace: …}` in the configuration as well: without it, the next apply moves
    the inventory back to the first managed namespace.
    """
    from kestra_sync.commands.records import move_inventory

    output = Output.of("inventory move", output_format=output_format, color=color, verbose=verbose)
    resolved = settings_from(**settings)
    return _edit(output, lambda sure: move_inventory(resolved, namespace, sure), yes=yes)


def _edit(output: Output, change: Callable[[ConfirmChanges], RecordEdit], *, yes: bool) -> ExitCode:
    """Show what will be done, ask, and do it."""

    def sure(changes: Sequence[str]) -> bool:
        output.text(line(f"~ {each}") for each in changes)
        return yes or ask("Change the inventory?")

    edit = change(sure)
    if not edit.changes:
        output.text([line("Nothing to do.")])
    else:
        output.text([line("Done." if edit.done else "Nothing was changed.")])
    output.result(edit.exit_code, {"changes": list(edit.changes), "done": edit.done})
    return edit.exit_code
