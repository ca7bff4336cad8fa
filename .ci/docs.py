"""Writes ``docs/cli.md`` from the command line itself, so that the two never differ.

Likewise the options of the policy into the schema of the configuration, from the rules. ``--write``
writes the files; without it the exit code says whether they are up to date.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click

from kestra_sync.checks.policy_rules import POLICY_RULES
from kestra_sync.cli.main import main as group

_ROOT = Path(__file__).resolve().parent.parent
_PAGE = _ROOT / "docs" / "cli.md"
_SCHEMA = _ROOT / "kestra_sync" / "schemas" / "config.json"
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
    """The whole page."""
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
    """The rows of the options that many commands have, in the order of the first of them."""
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
    return made


def main() -> int:
    """Write the files or compare them."""
    stale = []
    for path, wanted in ((_PAGE, page()), (_SCHEMA, schema())):
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        if "--write" in sys.argv[1:]:
            path.write_text(wanted, encoding="utf-8")
        else:
            stale.append(path.relative_to(_ROOT).as_posix())
    if stale:
        print(f"out of date: {', '.join(stale)}: run 'make docs'", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
