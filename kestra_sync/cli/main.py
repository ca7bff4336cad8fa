"""The command group. Commands are imported when they are called: ``--help`` is quick."""

from __future__ import annotations

from importlib import import_module

import click

from kestra_sync import __version__

#: Name → one line of help. The module ``kestra_sync.cli.<name>`` holds the command.
_COMMANDS = {
    "validate": "Check every flow, offline and with the server.",
    "plan": "Show what apply would do.",
    "apply": "Make the server hold what Git holds.",
    "smoke": "Run the smoke tests.",
    "run": "Execute one flow, and follow it.",
    "executions": "Delete executions.",
    "logs": "Show what an execution has logged.",
    "drift": "Show what others changed on the server.",
    "pull": "Bring the server's sources into the files.",
    "graph": "Draw the flows and what runs what.",
    "history": "Show the last applies.",
    "inventory": "Show the flows that we own, or change that record.",
    "unlock": "Release the lock of a crashed apply.",
    "doctor": "Ask whether everything is in place.",
    "init": "Write a configuration to begin with.",
}


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which people use them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name; ``None`` if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"kestra_sync.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="kestra-sync %(version)s")
def main() -> None:
    """Plan and apply for Kestra flows, straight from Git.

    The server and the credentials come from KESTRA_API_URL, and KESTRA_TOKEN or KESTRA_USERNAME
    and KESTRA_PASSWORD, in the environment or in a .env file.
    """
