"""The statements in SECURITY.md about the command line are true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from kestra_sync.cli.main import main

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")


def _commands(
    group: click.Group = main, before: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command, by its words; a group that runs by itself too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        words = (*before, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from _commands(command, words)


def test_each_command_has_a_row() -> None:
    """So that a new one says what it writes."""
    rows = re.findall(r"^\| (`.*?`) \|", _PAGE, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == sorted(name for name, _ in _commands())


def test_options__none_takes_a_secret() -> None:
    """What is typed can be seen by every user of the machine."""
    wrong = re.compile(r"token|password|secret", re.IGNORECASE)
    found = [
        f"{name} {option}"
        for name, command in _commands()
        for parameter in command.params
        for option in parameter.opts
        if wrong.search(option)
    ]
    assert found == []


def test_options__each_has_a_text_and_a_variable_named_after_it() -> None:
    found = [
        (name, parameter)
        for name, command in _commands()
        for parameter in command.params
        if isinstance(parameter, click.Option)
    ]
    assert len(found) > 200
    for name, option in found:
        long = next(each for each in option.opts if each.startswith("--"))
        variable = option.envvar if isinstance(option.envvar, str) else (option.envvar or [""])[0]
        assert variable.startswith("KESTRA_SYNC_"), (name, long)
        assert variable.endswith(long.removeprefix("--").replace("-", "_").upper()), (name, long)
        assert option.help, (name, long)
