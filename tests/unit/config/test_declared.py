"""A setting is one declaration and its consumer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import click
from click.testing import CliRunner

from kestra_sync.action.inputs import InputKind, _declared
from kestra_sync.cli.main import main
from kestra_sync.cli.options import partial_settings, settings_options
from kestra_sync.config.config import from_file
from kestra_sync.schemas import load, resolve
from kestra_sync.settings import Settings, declarations, setting


class _Mood(Enum):
    CALM = "calm"
    BRAVE = "brave"


@dataclass(frozen=True)
class _Settings(Settings):
    """The declaration is all that it takes: option, variable, key, precedence, input."""

    mood: _Mood = setting(
        _Mood.CALM,
        "How bold to be.",
        flag="--mood",
        key="moods.usual",
        from_file=_Mood,
        commands=("plan",),
    )


def test_a_new_setting_is_one_declaration() -> None:
    found: list[Any] = []

    @click.command()
    @settings_options("plan", settings=_Settings)
    def command(**options: object) -> None:
        file = from_file({"moods": {"usual": "brave"}}, _Settings)
        found.append(partial_settings(options, _Settings).over(file.over(_Settings())))

    run = CliRunner().invoke
    assert "--mood [calm|brave] How bold to be." in " ".join(
        run(command, ["--help"]).output.split()
    )
    for args, env in ((["--mood", "calm"], {}), ([], {"KESTRA_SYNC_MOOD": "calm"}), ([], {})):
        assert run(command, args, env=env).exit_code == 0
    assert [each.mood for each in found] == [_Mood.CALM, _Mood.CALM, _Mood.BRAVE]
    assert from_file({}, _Settings).names == frozenset()
    *_, declaration = declarations(_Settings)
    option = _declared(declaration)
    assert (option.option, option.commands, option.kind) == ("--mood", ("plan",), InputKind.VALUE)


def test_the_schema_has_the_keys_of_all_settings() -> None:
    """And an environment may set them too."""
    root = load("config")
    environment = root["$defs"]["environment"]
    for each in declarations(Settings):
        for part in (root, environment) if each.key else ():
            node = part
            for key in each.key.split("."):
                node = resolve(resolve(node, root)["properties"][key], root)
            allowed = node.get("enum")
            if allowed is not None:
                assert allowed == [one.value for one in type(each.default)], each.key


def test_inputs__are_options_of_their_commands() -> None:
    """A declaration with an input that its command does not have would end in exit code 64."""
    for each in declarations(Settings):
        for name in each.commands:
            group: Any = main
            *groups, last = name.split()
            for above in groups:
                group = group.get_command(click.Context(group), above)
            command = group.get_command(click.Context(group), last)
            assert command is not None
            flags = {flag for parameter in command.params for flag in parameter.opts}
            assert each.flag in flags, (each.name, name)
