"""The command group. Commands are imported on use, so that ``--help`` is fast."""

from __future__ import annotations

from importlib import import_module

import click

from kestra_sync.version import __version__

#: Name → one line of help. The module ``kestra_sync.cli.<name>`` holds the command.
_COMMANDS = {
    "validate": "Check flows, offline and against the server.",
    "plan": "Show what apply would do.",
    "apply": "Apply the flows in Git to the server.",
    "preview": "Deploy a pull request to namespaces of its own.",
    "status": "Show all environments in one table.",
    "render": "Show flows as they would be sent.",
    "diff": "Compare the servers of two environments.",
    "smoke": "Run the smoke tests.",
    "run": "Run a flow and wait for it to finish.",
    "executions": "Manage executions.",
    "logs": "Show the logs of an execution.",
    "drift": "Show drift: changes made on the server.",
    "pull": "Write changes made on the server to the files.",
    "graph": "Show the dependency graph.",
    "rollback": "Restore what the server held after an earlier run.",
    "history": "Show the latest applies.",
    "inventory": "Show or change the inventory of deployed flows.",
    "unlock": "Release the lock of a crashed apply.",
    "doctor": "Check files, network, server, permissions, inventory and lock.",
    "init": "Create a configuration and a CI pipeline.",
    "explain": "Explain a rule, a guard, or the reason of a change.",
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

    Set KESTRA_API_URL, and KESTRA_TOKEN or KESTRA_USERNAME and KESTRA_PASSWORD, in the environment
    or in a .env file.
    """
