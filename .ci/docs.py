"""Generates ``docs/cli.md`` from the command line.

Also writes the options of the policy into the schema of the configuration, from the rules; and what
the schema and ``action.yml`` lack of the declared settings, described by the help of the option
until someone writes a better text there; the tables of both in the documentation. ``--write``
writes the files; without it the exit code says whether they are up to date.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from kestra_sync.action.inputs import OPTIONS, InputKind, variable
from kestra_sync.checks.policy_rules import POLICY_RULES
from kestra_sync.cli.main import main as group
from kestra_sync.schemas import resolve
from kestra_sync.settings import Declaration, Settings, declarations

_ROOT = Path(__file__).resolve().parent.parent
_PAGE = _ROOT / "docs" / "cli.md"
_SCHEMA = _ROOT / "kestra_sync" / "schemas" / "config.json"
_ACTION = _ROOT / "action.yml"
_CONFIGURATION = _ROOT / "docs" / "configuration.md"
_INPUTS = _ROOT / "docs" / "github-action.md"
#: ``policy`` of ``$defs``, to its closing brace.
_POLICY = re.compile(r'(?<=\n)    "policy": \{\n.*?\n    \}(?=,?\n)', re.DOTALL)

_INTRODUCTION = """\
# The command line

<!-- Written by `make docs` from the code. Change the help texts there, not this page. -->

Every option can also be set as an environment variable; command-line options take precedence. The
server and the credentials use the variables of Kestra's other tools: `KESTRA_API_URL`,
`KESTRA_TENANT`, and `KESTRA_TOKEN`, or `KESTRA_USERNAME` and `KESTRA_PASSWORD`. They are read from
the environment, or all of them from a `.env` file. There is no option for a password or a token,
because command lines are visible to every user of the machine.

See [exit-codes.md](exit-codes.md) for the exit codes.
"""


#: In so many commands an option is common, and described once.
_COMMON = 12


def page() -> str:
    """The complete page."""
    context = click.Context(group, info_name="kestra-sync")
    parts = [_INTRODUCTION, "\n".join(_common_options())]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        parts.append("\n".join(_command(command, context, name)))
    return "\n".join(parts)


def _commands(command: click.Command, context: click.Context) -> Iterator[click.Command]:
    if not isinstance(command, click.Group):
        yield command
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from _commands(child, context)


@cache
def _common() -> tuple[str, ...]:
    """The rows of common options, in the order of the first command that has them."""
    counts: Counter[str] = Counter()
    for command in _commands(group, click.Context(group)):
        counts.update(_rows(command))
    return tuple(row for row, number in counts.items() if number >= _COMMON)


def _common_options() -> Iterator[str]:
    yield "## Common options"
    yield ""
    yield "Most commands have these; those of a command are named below its own."
    yield ""
    yield from (*_HEAD, *_common(), "")


def _rows(command: click.Command) -> list[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    return [
        f"| {' | '.join(_cell(text) for text in _row(each))} |"
        for each in options
        if not each.hidden
    ]


_HEAD = ("| option | variable | default | |", "|---|---|---|---|")


def _command(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"## {context.command_path}"
    yield ""
    if isinstance(command, click.Group):
        yield inspect.cleandoc(command.help or "")
        yield ""
        for each in command.list_commands(context):
            child = command.get_command(context, each)
            assert child is not None
            yield from _command(child, context, each)
        return
    yield "```text"
    yield command.get_usage(context).removeprefix("Usage: ")
    yield "```"
    yield ""
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    yield ""
    rows = _rows(command)
    own = [row for row in rows if row not in _common()]
    if own:
        yield from (*_HEAD, *own, "")
    shared = [row.removeprefix("| ").split(" | ")[0] for row in rows if row in _common()]
    if shared:
        yield f"[Common options](#common-options): {', '.join(map(_name, shared))}."
        yield ""


def _name(cell: str) -> str:
    """The long name of an option, from its first cell."""
    return f"`{cell.split('`')[-2].split()[0]}`"


def _row(option: click.Option) -> Iterator[str]:
    names = [*sorted(option.opts, key=len), *option.secondary_opts]
    value = "" if option.is_flag or option.count else f" {_metavar(option)}"
    yield ", ".join([*(f"`{each}`" for each in names[:-1]), f"`{names[-1]}{value}`"])
    variable = option.envvar
    yield f"`{variable}`" if isinstance(variable, str) else ""
    yield f"`{option.default}`" if _has_default(option) else ""
    yield option.help or ""


def _metavar(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    return option.type.name.upper()


def _has_default(option: click.Option) -> bool:
    default: Any = option.default
    return isinstance(default, str | int | float) and not isinstance(default, bool)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def schema() -> str:
    """The schema of the configuration, with the options that the rules of the policy declare."""
    text = _SCHEMA.read_text(encoding="utf-8")
    policy = json.loads(text)["$defs"]["policy"]
    ours = {key: policy["properties"][key] for key in ("ignore", "severity")}
    options = {each.option: each.schema for each in POLICY_RULES}
    policy["properties"] = {**options, **ours}
    lines = f'"policy": {json.dumps(policy, indent=2, ensure_ascii=False)}'.splitlines()
    block = "\n".join(f"    {line}" for line in lines)
    made, number = _POLICY.subn(lambda _found: block, text)
    assert number == 1, "the policy was not found in the schema"
    for each in declarations(Settings):
        if each.key:
            made = _with_key(made, each)
    return made


def _with_key(text: str, setting: Declaration) -> str:
    """The schema with the key of a setting, if it is not there yet."""
    group, _, key = setting.key.rpartition(".")
    definitions = json.loads(text)["$defs"]
    if key in (definitions[group]["properties"] if group else definitions):
        return text
    described = f'"{key}": {json.dumps(_described(setting), ensure_ascii=False)},\n'
    if group:
        at = text.index('"properties": {\n', text.index(f'\n    "{group}": {{')) + 16
        return f"{text[:at]}        {described}{text[at:]}"
    # One definition, and a reference to it in the file and in its environments.
    reference = f'"{key}": {{ "$ref": "#/$defs/{key}" }},\n'
    text = re.sub(r'^( +)("on_drift": \{ "\$ref")', rf"\1{reference}\1\2", text, flags=re.MULTILINE)
    return text.replace('\n    "on_drift": {\n', f'\n    {described}    "on_drift": {{\n')


def _described(setting: Declaration) -> dict[str, Any]:
    default = setting.default
    common: dict[str, Any] = {"description": setting.help, "default": default}
    if isinstance(default, Enum):
        names = [each.value for each in type(default)]
        *first, last = names
        expected = f"{', '.join(first)} or {last}"
        return {**common, "default": default.value, "type": "string", "enum": names} | {
            "x-expected": expected
        }
    if isinstance(default, tuple):
        item = {"type": "string", "minLength": 1, "x-expected": "text"}
        return {"description": setting.help, "type": "array", "items": item} | {
            "x-expected": "a list"
        }
    if isinstance(default, bool):
        return {**common, "type": "boolean", "x-expected": "true or false"}
    return {**common, "type": "number", "x-expected": "a number"}


def action() -> str:
    """The Action, with an input for each declared setting of its commands."""
    text = _ACTION.read_text(encoding="utf-8")
    helps = {each.flag: each.help for each in declarations(Settings)}
    made = ""
    for each in OPTIONS:
        if each.option in helps and f"\n  {each.name}:\n" not in text:
            help_text = helps[each.option]
            if each.kind is InputKind.SWITCH:
                help_text = f"true: {help_text[0].lower()}{help_text[1:]}"
            made += (
                f"  {each.name}:\n    description: {json.dumps(help_text, ensure_ascii=False)}\n"
            )
            passed = f"        {variable(each.name)}: ${{{{ inputs.{each.name} }}}}\n"
            text = re.sub(r"(\n *INPUT_GITHUB_TOKEN: )", rf"\n{passed.rstrip()}\1", text)
    return text.replace("\noutputs:\n", f"{made}\noutputs:\n", 1)


def configuration() -> str:
    """The page of the configuration, with the table of the keys and the keys of environments."""
    page, root = _CONFIGURATION.read_text(encoding="utf-8"), json.loads(schema())
    rows = ["| key | default | |", "|---|---|---|"]
    for name, each in _keys(root, root, ""):
        default = each.get("default")
        default = str(default).lower() if isinstance(default, bool) else default
        shown = "" if default is None else f"`{default}`"
        rows.append(f"| `{name}` | {shown} | {each['description']} |")
    page = re.sub(r"\| key \| default \| \|\n(?:\|.*\n)+", lambda _: "\n".join(rows) + "\n", page)
    before = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return page.replace(_environment_keys(before), _environment_keys(root))


def _environment_keys(root: Any) -> str:
    return ", ".join(f"`{name}`" for name in root["$defs"]["environment"]["properties"])


def _keys(root: Any, part: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, below in part["properties"].items():
        each = resolve(below, root)
        yield f"{above}{name}", each
        if "properties" in each:
            yield from _keys(root, each, f"{above}{name}.")
    if not above:
        namespaces = root["$defs"]["environment"]["properties"]["namespaces"]
        yield "environments.NAME.namespaces", resolve(namespaces, root)


def inputs() -> str:
    """The page of the Action, with the table of its inputs."""
    page = _INPUTS.read_text(encoding="utf-8")
    rows = ["| input | default | |", "|---|---|---|"]
    for name, each in YAML(typ="safe").load(action())["inputs"].items():
        default = f"`{each['default']}`" if each.get("default") else ""
        rows.append(f"| `{name}` | {default} | {each['description']} |")
    return re.sub(r"\| input \| default \| \|\n(?:\|.*\n)+", lambda _: "\n".join(rows) + "\n", page)


def main() -> int:
    """Write the files or compare them."""
    stale = []
    for path, expected in (
        (_PAGE, page()),
        (_CONFIGURATION, configuration()),
        (_SCHEMA, schema()),
        (_INPUTS, inputs()),
        (_ACTION, action()),
    ):
        if path.exists() and path.read_text(encoding="utf-8") == expected:
            continue
        if "--write" in sys.argv[1:]:
            path.write_text(expected, encoding="utf-8")
        else:
            stale.append(path.relative_to(_ROOT).as_posix())
    if stale:
        print(f"out of date: {', '.join(stale)}: run 'make docs'", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
