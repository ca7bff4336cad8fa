"""The inputs of the action become a command line, and nothing else."""

from __future__ import annotations

from importlib import import_module

import click
import pytest

from kestra_sync.action.inputs import COMMANDS, OPTIONS, OTHERS, InputKind, read, take, variable
from kestra_sync.errors import UsageError

#: Options of the command line that are not inputs of the action, and why.
_LEFT_OUT = {
    "--yes": "always given",
    "--plan": "the input plan-file",
    "--out": "the input plan-file",
    "--expect-digest": "an input of its own",
    "--detailed-exitcode": "always given; the input decides what happens to it",
    "--env-file": "a file of the checkout must not say which server gets the login",
    "--format": "the log is for people",
    "--color": "so is this",
    "--junit": "the input output",
    "--journal": "for debugging on a machine",
    "--refresh-only": "done by hand, once",
    "--dry-run": "the command plan",
    "--help": "no run",
    "--kestra": "a look ahead before an upgrade, by hand",
}


def _command(name: str) -> click.Command:
    command: click.Command = import_module(f"kestra_sync.cli.{name}").command
    # The others of the group take fewer options.
    return command.commands["up"] if isinstance(command, click.Group) else command


def _options(name: str) -> dict[str, click.Option]:
    return {
        next(opt for opt in each.opts if opt.startswith("--")): each
        for each in _command(name).params
        if isinstance(each, click.Option)
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_the_command_line_is_an_input_or_has_a_reason(command: str) -> None:
    """A new option is thought of; an input that the command does not know is refused."""
    inputs = {each.option: each for each in OPTIONS if command in each.commands}
    options = _options(command)
    assert set(options) - set(inputs) <= set(_LEFT_OUT)
    assert set(inputs) <= set(options)
    for name, each in inputs.items():
        option = options[name]
        assert (each.kind is InputKind.SWITCH) == bool(option.is_flag), name
        assert (each.kind is InputKind.LIST) == bool(option.multiple), name


def test_a_plan_with_everything() -> None:
    given = {
        "command": "plan",
        "paths": "flows/sales\n\n  flows/my ops  \n",
        "environment": "prod",
        "namespace": "acme\nacme2",
        "strict": "true",
        "allow-large": "False",
        "prune": "scope",
        "url": "https://kestra.acme.io",
        "output": "sarif=plan.sarif",
        "password": " secret ",
        "token": "\nt0ken\n",
    }
    inputs = read(given)
    assert inputs.options == (
        "--environment=prod",
        "--namespace=acme",
        "--namespace=acme2",
        "--strict",
        "--prune=scope",
        "--url=https://kestra.acme.io",
        "--output=sarif=plan.sarif",
    )
    assert inputs.paths == ("flows/sales", "flows/my ops")
    # A password may begin with a blank; a token that was pasted with a line end is meant without.
    assert (inputs.password, inputs.token) == (" secret ", "t0ken")
    assert inputs.secrets == ("t0ken", " secret ")
    assert not any("secret" in each or "t0ken" in each for each in inputs.options)
    assert "t0ken" not in repr(inputs)
    assert "secret" not in repr(inputs)


def test_no_value_becomes_an_option() -> None:
    inputs = read({"environment": "--allow-large", "prune": "--yes", "paths": "--take-over"})
    assert inputs.options == ("--environment=--allow-large", "--prune=--yes")
    assert inputs.paths == ("--take-over",)


def test_defaults() -> None:
    inputs = read({})
    assert (inputs.command, inputs.options, inputs.paths) == ("plan", (), ())
    assert (inputs.summary, inputs.annotations, inputs.comment) == (True, True, False)
    assert inputs.report == "html"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"command": "destroy"}, "'command' is 'destroy'"),
        ({"command": "plan", "rollback": "true"}, "'rollback' is not supported by 'plan'"),
        ({"command": "apply", "issue": "true"}, "'issue' is not supported by 'apply'"),
        ({"command": "smoke", "plan-file": "x"}, "'plan-file' is not supported by 'smoke'"),
        ({"strict": "yes"}, "'strict' is 'yes'"),
        ({"report": "pdf"}, "'report' is 'pdf'"),
    ],
)
def test_options__contradictory_options_are_reported(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(given)


def test_inputs__false_is_allowed_for_every_command() -> None:
    """Workflows set them from expressions."""
    assert read({"command": "plan", "rollback": "false", "issue": "false"}).options == ()


def test_inputs__are_taken_out_of_the_environment() -> None:
    environ = {variable("token"): "t0ken", "INPUT_DETAILED_EXITCODE": "true", "PATH": "/bin"}
    given = take(environ)
    assert environ == {"PATH": "/bin"}
    assert (given["token"], given["detailed-exitcode"], given["url"]) == ("t0ken", "true", "")
    assert set(given) == {*OTHERS, *(each.name for each in OPTIONS)}
